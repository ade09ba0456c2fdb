import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The SIMD target that the build has on every x86-64 machine: its baseline is x86-64-v2 without AES. */
export const kTarget = 'SSSE3';

export type Goldens = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/** Goldens, and what their last digits depend on beside this package. */
export interface ComputedGoldens {
  readonly engine: {
    readonly simdTarget: string;
    readonly blasConfig: string;
    readonly blasCore: string;
    readonly glibc: string;
  };
  readonly goldens: Goldens;
}

/** What this build computes, in a process where OpenBLAS, the C library and our own code use no instruction beyond x86-64-v2. */
export function computeGoldens(): ComputedGoldens {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import=tsx', fileURLToPath(new URL('compute.ts', import.meta.url))],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      env: {
        ...process.env,
        OPENBLAS_CORETYPE: 'Prescott',
        GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F',
      },
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
