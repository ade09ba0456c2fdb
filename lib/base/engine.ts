import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { native } from './native.js';

/** What the package runs on: everything that can change the last digits of a result, and the version of the rest. */
export interface EngineInfo {
  /** Version of this package. */
  readonly version: string;
  /** Node version. */
  readonly node: string;
  /** Compiler of the addon. */
  readonly compiler: string;
  /** SIMD instruction set chosen at run time for the samplers, for example `AVX2`. */
  readonly simdTarget: string;
  /** Kernel set that OpenBLAS chose, for example `Haswell`. */
  readonly blasCore: string;
  /** OpenBLAS's own description of its build. */
  readonly blasConfig: string;
  /** Widest SIMD the processor offers to BLAS: `avx512`, `avx2` or `baseline`; `neon` on arm64. */
  readonly cpuSimd: string;
  /** Default number of threads. */
  readonly threads: number;
  /** Results are bit-identical for equal fingerprints. */
  readonly fingerprint: string;
}

const packageVersion = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/**
 * Versions, SIMD target, BLAS core and configuration, threads.
 *
 * @example
 * ```ts
 * import { engineInfo } from 'prompt-attention';
 * console.log(engineInfo().fingerprint);
 * ```
 */
export function engineInfo(): EngineInfo {
  info ??= readInfo();
  return info;
}

let info: EngineInfo | undefined;

function readInfo(): EngineInfo {
  const { compiler, simdTarget, blasCore, blasConfig, cpuSimd } = native.engineInfo();
  return Object.freeze({
    version: packageVersion,
    node: process.versions.node,
    compiler,
    simdTarget,
    blasCore,
    blasConfig,
    cpuSimd,
    threads: availableParallelism(),
    fingerprint: `${packageVersion}/${simdTarget}/${blasCore}`,
  });
}
