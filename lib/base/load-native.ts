import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeError } from './errors.js';

/** Below the package: what this machine built. */
const kBuilds = [
  ['build', 'Release'],
  ['build', 'Debug'],
];

interface BindingsOptions {
  readonly bindings: string;
  readonly module_root: string;
  /** Paths; `module_root` and `bindings` stand for the options of these names. */
  readonly try: readonly (readonly string[])[];
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `bindings` sets `tries` on its own error, which says that there is no such file.
  const missing = 'tries' in error || (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  return missing ? 'there is no such file' : error.message;
}

/** The folder of the package; undefined where this file has become a part of another one. */
function packageRoot(): string | undefined {
  try {
    const file = fileURLToPath(import.meta.url);
    return basename(file).startsWith('load-native.') ? join(dirname(file), '..', '..') : undefined;
  } catch {
    return undefined;
  }
}

/** The package with the addon for this platform that the one in `root` asks for; undefined where it asks for none. */
function carrierOf(root: string, platform: string): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (header?.glibcVersionRuntime === undefined) return undefined;
  const { optionalDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    optionalDependencies?: Record<string, string>;
  };
  return Object.keys(optionalDependencies).find((name) => name === `@prompt-attention/${platform}-gnu`);
}

/** What to do about the failures. */
function adviceOn(failures: readonly unknown[], root: string, platform: string): string {
  const forbidden = failures.find(
    (failure) =>
      (failure as { code?: unknown } | null)?.code === 'ERR_DLOPEN_DISABLED' || /ffi access/i.test(reasonOf(failure)),
  );
  if (forbidden !== undefined)
    return 'deno' in process.versions
      ? 'Deno must be allowed to load it: --allow-ffi'
      : 'Node is told not to load addons: leave out --no-addons; with --permission add --allow-addons and --allow-fs-read for this folder';
  const requirements = join(root, 'native', 'requirements.txt');
  const needs = existsSync(requirements) ? readFileSync(requirements, 'utf8').trimEnd() : 'The package is not whole.';
  const carrier = carrierOf(root, platform);
  if (carrier === undefined) return `The package came without an addon that is ready for this platform. ${needs}`;
  return (
    `${carrier} is an optional dependency: it is left out by --omit=optional, and by a lock file or folder of node_modules that was ` +
    `made on another platform. Install again without these, or build the addon. ${needs}`
  );
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

function fromBuild(root: string, folder: readonly string[]): unknown {
  const require = createRequire(import.meta.url);
  const bindings = require('bindings') as (options: BindingsOptions) => unknown;
  return bindings({
    bindings: 'prompt_attention.node',
    module_root: root,
    try: [['module_root', ...folder, 'bindings']],
  });
}

// Tools that look for the files of a program (Next, @vercel/nft) follow literal names in calls of a `require` that was made so; with an
// addon they take the libraries beside it.

/** What the package of a platform carries. */
function fromPackage(platform: string): unknown {
  const require = createRequire(import.meta.url);
  switch (platform) {
    case 'linux-x64':
      return require('@prompt-attention/linux-x64-gnu/prompt_attention.node');
    case 'linux-arm64':
      return require('@prompt-attention/linux-arm64-gnu/prompt_attention.node');
    default:
      throw new Error('there is none for this platform');
  }
}

/** What a package carries that was packed from a checkout. */
function fromTarball(): unknown {
  const require = createRequire(import.meta.url);
  return require('../../prebuilds/prompt_attention.node');
}

/**
 * The addon. One that is there but does not load, because it was built for another C library, say, does not hide the next.
 *
 * @throws {@link NativeError} if none loads: what was tried, why each failed, and what helps: a flag, or what a build from source needs.
 */
export function loadAddon(): unknown {
  const root = packageRoot();
  if (root === undefined)
    throw new NativeError(
      'prompt-attention has been bundled into another file, where its native addon is not found. Keep the package external, so that ' +
        "it stays a folder of node_modules: esbuild --external:prompt-attention; external: ['prompt-attention'] for rollup and Vite; " +
        "externals for webpack; serverExternalPackages: ['prompt-attention'] for Next",
    );
  const failures: unknown[] = [];
  const tried: string[] = [];
  const platform = `${process.platform}-${process.arch}`;
  const places = [
    ...kBuilds.map((folder) => ({ place: folder.join('/'), load: () => fromBuild(root, folder) })),
    { place: `@prompt-attention/${platform}-gnu`, load: () => fromPackage(platform) },
    { place: 'prebuilds', load: fromTarball },
  ];
  for (const { place, load } of places) {
    try {
      return withOneBlasThread(load);
    } catch (error) {
      failures.push(error);
      tried.push(`  ${place}/prompt_attention.node: ${reasonOf(error)}`);
    }
  }
  throw new NativeError(
    `The native addon of prompt-attention could not be loaded on ${platform} with Node ` +
      `${process.versions.node}. Tried in ${root}\n${tried.join('\n')}\n${adviceOn(failures, root, platform)}`,
    { cause: new AggregateError(failures) },
  );
}
