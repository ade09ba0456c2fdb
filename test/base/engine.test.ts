import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { engineInfo, measureLimits, OptionRangeError } from '../../lib/index.js';

const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;

/** Prints the BLAS core, and a least squares head's error, of a process whose OpenBLAS starts with the Prescott kernels. */
const script = `
  process.env.OPENBLAS_CORETYPE = 'Prescott';
  process.dlopen({ exports: {} }, process.argv[1]);
  if (process.argv[2] !== 'kept') delete process.env.OPENBLAS_CORETYPE;
  const { engineInfo, simulate } = await import('prompt-attention');
  const mixture = { tokens: 8, relevantTokens: 2, dimension: 60, contextNorm: 1, signalNorm: 1 };
  const experiment = { kind: 'known-prompt', mixture, examples: 200, inverseTemperature: 0.5, head: { kind: 'least-squares' } };
  const { metrics } = await simulate(experiment, { trials: 4, seed: 1 });
  console.log(JSON.stringify({ core: engineInfo().blasCore, error: [...metrics.error], variable: process.env.OPENBLAS_CORETYPE ?? null }));
`.replaceAll("'prompt-attention'", JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href));

function coreAfterPrescott(...flags: string[]): { core: string; error: number[]; variable: string | null } {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  try {
    // A copy under another name is another library to the loader, which shares OpenBLAS with it.
    const copy = join(folder, 'copy.node');
    copyFileSync(addon, copy);
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import=tsx', '--input-type=module', '-e', script, copy, ...flags],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('an OpenBLAS that fell back to slow kernels is started anew with those of the processor, unless the user chose them', (t) => {
  const { cpuSimd, blasConfig } = engineInfo();
  const canChoose = blasConfig.includes('DYNAMIC_ARCH') && cpuSimd !== 'baseline';
  const kept = coreAfterPrescott('kept');
  t.is(kept.core, 'Prescott');
  const { core, error, variable } = coreAfterPrescott();
  t.is(core, !canChoose ? 'Prescott' : cpuSimd === 'avx512' ? 'SkylakeX' : 'Haswell');
  t.is(variable, null);
  for (const [i, value] of error.entries()) t.true(Math.abs(value / (kept.error[i] as number) - 1) < 1e-9);
});

test('limits of the machine are positive and finite; threads are checked', async (t) => {
  const limits = await measureLimits({ threads: 2 });
  for (const [name, value] of Object.entries(limits)) t.true(value > 0 && Number.isFinite(value), name);
  await t.throwsAsync(measureLimits({ threads: 0 }), { instanceOf: OptionRangeError, message: /^threads must be/ });
});
