import { type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const kLoader = import.meta.resolve('tsx');

/** What a program did. */
export interface ProgramResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a program of this folder in a process of its own, which is killed if it takes minutes. */
export async function runProgram(
  name: string,
  args: readonly (string | number)[] = [],
  { flags = [`--import=${kLoader}`], ...options }: SpawnOptions & { readonly flags?: readonly string[] } = {},
): Promise<ProgramResult> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [...flags, file, ...args.map(String)], {
    timeout: 180_000,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
}
