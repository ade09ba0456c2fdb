import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NativeError } from './errors.js';

const kRoot = fileURLToPath(new URL('..', import.meta.url));

/** Below the package: what this machine built comes first, then the addon that the package carries. */
const kFolders = [
  ['build', 'Release'],
  ['build', 'Debug'],
  ['prebuilds', `${process.platform}-${process.arch}`],
];

interface BindingsOptions {
  readonly bindings: string;
  readonly module_root: string;
  /** Paths; `module_root` and `bindings` stand for the options of these names. */
  readonly try: readonly (readonly string[])[];
}

function reasonOf(error: unknown): string {
  // `bindings` sets `tries` on its own error, which says that there is no such file.
  if (error instanceof Error) return 'tries' in error ? 'there is no such file' : error.message;
  return String(error);
}

const kBlasThreads = 'OPENBLAS_NUM_THREADS';

/**
 * Run `load` with OpenBLAS told to have one thread, which is how this package uses it: it starts its threads while it is loaded, and
 * ends the process by an interrupt where it may not. In a worker thread, whose environment is a copy, this does nothing.
 */
function withOneBlasThread<Result>(load: () => Result): Result {
  const before = process.env[kBlasThreads];
  process.env[kBlasThreads] = '1';
  try {
    return load();
  } finally {
    // Processes that this one starts have libraries of their own.
    if (before === undefined) delete process.env[kBlasThreads];
    else process.env[kBlasThreads] = before;
  }
}

/**
 * The addon. One that is there but does not load, because it was built for another C library, say, does not hide the next.
 *
 * @throws {@link NativeError} if none loads: what was tried, why each failed, and what a build from source needs.
 */
export function loadAddon(): unknown {
  const bindings = createRequire(import.meta.url)('bindings') as (options: BindingsOptions) => unknown;
  const failures: unknown[] = [];
  const tried: string[] = [];
  for (const folder of kFolders) {
    try {
      return withOneBlasThread(() =>
        bindings({
          bindings: 'prompt_attention.node',
          module_root: kRoot,
          try: [['module_root', ...folder, 'bindings']],
        }),
      );
    } catch (error) {
      failures.push(error);
      tried.push(`  ${folder.join('/')}/prompt_attention.node: ${reasonOf(error)}`);
    }
  }
  const requirements = readFileSync(new URL('../native/requirements.txt', import.meta.url), 'utf8').trimEnd();
  throw new NativeError(
    `The native addon of prompt-attention could not be loaded on ${process.platform}-${process.arch} with Node ` +
      `${process.versions.node}. Tried in ${kRoot}\n${tried.join('\n')}\n${requirements}\n` +
      'Then: npm rebuild prompt-attention (in a checkout: npm run build:native)',
    { cause: new AggregateError(failures) },
  );
}
