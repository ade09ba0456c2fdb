import { Command } from 'commander';
import type { EngineInfo } from '../base/engine.js';
import type { MachineLimits } from '../base/limits.js';

/** OpenBLAS kernel sets without fused multiply-add: a fraction of the speed of a processor with AVX2 or AVX-512. */
const kSlowCores =
  /^(generic|unknown|katmai|coppermine|northwood|banias|prescott|core2|penryn|dunnington|atom|nano|nehalem|sandybridge|athlon|opteron|barcelona|bobcat|bulldozer)/i;

const kCoreOf: Readonly<Record<string, string>> = { avx2: 'Haswell', avx512: 'SkylakeX' };

/** What to do if OpenBLAS did not recognise the processor and fell back to slow kernels; undefined if it did. */
export function slowBlasAdvice({ blasCore, cpuSimd }: Pick<EngineInfo, 'blasCore' | 'cpuSimd'>): string | undefined {
  const core = kCoreOf[cpuSimd];
  if (core === undefined || !kSlowCores.test(blasCore)) return undefined;
  return (
    `OpenBLAS uses its ${blasCore} kernels although this processor has ${cpuSimd}, which makes fits several times slower; ` +
    `set the environment variable OPENBLAS_CORETYPE=${core}`
  );
}

/** The report of `doctor`, one line per fact. */
export function doctorReport(engine: EngineInfo): string {
  const facts: readonly (readonly [string, string])[] = [
    ['prompt-attention', engine.version],
    ['node', engine.node],
    ['compiler', engine.compiler],
    ['processor SIMD', engine.cpuSimd],
    ['SIMD target', engine.simdTarget],
    ['BLAS core', engine.blasCore],
    ['BLAS config', engine.blasConfig],
    ['threads', String(engine.threads)],
    ['fingerprint', engine.fingerprint],
  ];
  const advice = slowBlasAdvice(engine);
  const lines = facts.map(([name, value]) => `${name.padEnd(17)} ${value.trim()}`);
  return [...lines, ...(advice === undefined ? [] : [`warning: ${advice}`])].join('\n');
}

/** What `doctor --limits` adds. */
export function limitsReport(limits: MachineLimits): string {
  const facts: readonly (readonly [string, number, string])[] = [
    ['normals', limits.nanosecondsPerNormal, 'ns each on one thread'],
    ['exponentials', limits.nanosecondsPerExponential, 'ns each on one thread'],
    ['matrix products', limits.gigaflops, 'GFLOP/s on one thread'],
    ['memory', limits.gigabytesPerSecond, 'GB/s on all threads'],
  ];
  return facts.map(([name, value, unit]) => `${name.padEnd(17)} ${value.toPrecision(3)} ${unit}`).join('\n');
}

/** `prompt-attention doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('print versions, SIMD target, BLAS core and configuration, and threads; warn about a slow BLAS')
    .option('--limits', 'measure, for a second, how fast this machine does what the engine does')
    .action(async ({ limits }: { limits?: boolean }) => {
      const { engineInfo } = await import('../base/engine.js');
      process.stdout.write(`${doctorReport(engineInfo())}\n`);
      if (limits) {
        const { measureLimits } = await import('../base/limits.js');
        process.stdout.write(`${limitsReport(await measureLimits())}\n`);
      }
    });
}
