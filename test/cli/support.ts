import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const kMain = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
const kLoader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** What a command did. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Start the command line in a process of its own; `finished` resolves when it ends.
 *
 * @param launcher A program with arguments that becomes it, such as `ip netns exec NAME`.
 */
export function start(
  args: readonly string[],
  directory: string,
  environment: NodeJS.ProcessEnv = {},
  launcher: readonly string[] = [],
): { readonly child: ChildProcess; readonly finished: Promise<CommandResult> } {
  const [program, ...rest] = [...launcher, process.execPath, `--import=${kLoader}`, kMain, ...args] as [string];
  const child = spawn(program, rest, {
    cwd: directory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data) => {
    output.stdout += data;
  });
  child.stderr?.on('data', (data) => {
    output.stderr += data;
  });
  const finished = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, finished };
}

/** Run the command line to its end. */
export function command(
  args: readonly string[],
  directory: string,
  environment?: NodeJS.ProcessEnv,
): Promise<CommandResult> {
  return start(args, directory, environment).finished;
}
