import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { doctorReport, slowBlasAdvice } from '../../lib/cli/doctor.js';
import { durationText } from '../../lib/report/progress-text.js';
import { open } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { command } from './support.js';

test('run writes results, figure and table; status shows them again', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
  const run = await command(['run', 'study.yaml', '--progress', 'none'], directory);
  t.is(run.code, 0, run.stderr);
  t.is(run.stderr, '');
  t.deepEqual(readdirSync(directory).sort(), ['small.sqlite', 'small.svg', 'study.yaml']);
  t.true(readFileSync(join(directory, 'small.svg'), 'utf8').startsWith('<svg'));
  const { rows } = await open(join(directory, 'small.sqlite'));
  t.is(rows.length, 4);
  const table = run.stdout.split('\n').slice(0, 6).join('\n');
  t.regex(run.stdout, /results: small.sqlite\nfigure: +small.svg\n$/);

  const status = await command(['status', 'small.sqlite'], directory);
  t.is(status.code, 0);
  t.regex(status.stdout, /^study small \([0-9a-f]{12}\): 4 of 4 cells finished, \d+ trials\n/);
  t.true(status.stdout.includes(table));
});

test('a module that defines an experiment is loaded first', async (t) => {
  const directory = temporaryDirectory(t);
  const library = new URL('../../lib/index.ts', import.meta.url).href;
  writeFileSync(
    join(directory, 'half.mjs'),
    `import { defineExperiment } from ${JSON.stringify(library)};
defineExperiment({ name: 'half', trial: ({ random }) => ({ error: random.uniforms(1)[0] }) });
`,
  );
  const study = { name: 'halves', seed: 1, experiment: { kind: 'custom', name: 'half' }, trials: 50 };
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(study));
  const run = await command(['--import', 'half.mjs', 'run', 'study.yaml', '--progress', 'none'], directory);
  t.is(run.code, 0, run.stderr);
  t.regex(run.stdout, /0\.[45]/);
  const without = await command(['status', 'halves.sqlite'], directory);
  t.is(without.code, 2);
  t.regex(without.stderr, /experiment\.name must be a name that defineExperiment was called with in this process/);
  t.is((await command(['status', 'halves.sqlite', '--import', 'half.mjs'], directory)).code, 0);
  const missing = await command(['--import', 'none.mjs', 'doctor'], directory);
  t.is(missing.code, 2);
  t.regex(missing.stderr, /--import none\.mjs: the module cannot be loaded/);
});

test('run takes other paths', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 5 }));
  const run = await command(
    ['run', 'study.yaml', '--out', 'a.db', '--figure', 'b.svg', '--threads', '1', '--progress', 'none'],
    directory,
  );
  t.is(run.code, 0, run.stderr);
  t.deepEqual(readdirSync(directory).sort(), ['a.db', 'b.svg', 'study.yaml']);
});

test('a figure is in the format of its name', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 5 }));
  t.is((await command(['run', 'study.yaml', '--figure', 'b.PNG'], directory)).code, 0);
  t.is(readFileSync(join(directory, 'b.PNG')).subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  t.is((await command(['run', 'study.yaml', '--figure', '/dev/null'], directory)).code, 0);
  const image = await command(['images', 'figure', 'small.sqlite', '--out', '-'], directory);
  t.is(image.code, 2);
  t.deepEqual(readdirSync(directory).sort(), ['b.PNG', 'small.sqlite', 'study.yaml']);
});

const badStudies: readonly (readonly [string, (text: string) => string, RegExp])[] = [
  ['ζT not an integer', (text) => text.replace('0.25', '0.3'), /experiment.mixture.relevantFraction must be such that/],
  [
    'ζ outside [0, 1]',
    (text) => text.replace('0.25', '-0.25'),
    /experiment.mixture.relevantFraction must be a number in/,
  ],
  [
    '|ρ| > 1',
    (text) => text.replace('"tokens"', '"correlation":1.5,"tokens"'),
    /experiment.mixture.correlation must be/,
  ],
  ['NaN', (text) => text.replace('"signalNorm":1', '"signalNorm": .nan'), /experiment.mixture.signalNorm .* got NaN/],
  [
    'd = 0',
    (text) => text.replace('"dimension":20', '"dimension":0'),
    /experiment.mixture.dimension must be an integer ≥ 1/,
  ],
  ['n = 0', (text) => text.replace('[40,80]', '[0,80]'), /experiment.examples must be an integer ≥ 1/],
  [
    'probabilities',
    (text) => text.replace('"tokens"', '"confusion":[{"deltaQ":0,"deltaW":0,"probability":0.5}],"tokens"'),
    /experiment.mixture.confusion must be a distribution/,
  ],
  ['unknown key', (text) => text.replace('"seed"', '"sead":1,"seed"'), /: sead must be left out.*did you mean seed\?/],
  [
    'factor path',
    (text) => text.replace('"examples"', '"mixture.dimensoin"'),
    /factors.mixture.dimensoin: mixture has no option/,
  ],
];
for (const [name, change, expected] of badStudies) {
  test(`a bad study ends with 2, one line and no file: ${name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'study.yaml'), change(JSON.stringify(smallStudy)));
    const { code, stdout, stderr } = await command(['run', 'study.yaml'], directory);
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, /^prompt-attention: study.yaml: [^\n]+\n$/);
    t.regex(stderr, expected);
    t.deepEqual(readdirSync(directory), ['study.yaml']);
  });
}

const usageFaults: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['missing study file', ['run', 'none.yaml'], /none.yaml: the study file cannot be read \(ENOENT\)/],
  ['threads', ['run', 'study.yaml', '--threads', 'two'], /threads must be an integer/],
  ['figure over results', ['run', 'study.yaml', '--out', 'x.svg'], /figure must be a file other than x.svg/],
  [
    'figure of another format',
    ['run', 'study.yaml', '--figure', 'x.pdf'],
    /figure must be .* ends with .svg or .png; got "x.pdf"/,
  ],
  ['figure on standard output', ['run', 'study.yaml', '--figure', '-'], /figure must be a file: the table goes to/],
  [
    'results in memory',
    ['run', 'study.yaml', '--out', ':memory:', '--figure', 'x.svg'],
    /out must be .* neither in memory/,
  ],
  [
    'results on standard output',
    ['run', 'study.yaml', '--out', '-', '--figure', 'x.svg'],
    /out must be .* standard output/,
  ],
  ['merge into memory', ['merge', 'study.yaml', '--out', ':memory:'], /out must be .* neither in memory/],
  ['images as PDF', ['images', 'figure', 'x.sqlite', '--out', 'x.pdf'], /out must be .* ends with .svg or .png/],
  ['maps as PDF', ['images', 'maps', '{}', '--out', 'x.pdf'], /out must be .* ends with .svg or .png/],
  ['unknown option', ['run', 'study.yaml', '--thread', '1'], /unknown option '--thread'/],
  ['unknown command', ['rum'], /unknown command 'rum'/],
  ['missing argument', ['run'], /missing required argument 'study'/],
  ['progress kind', ['run', 'study.yaml', '--progress', 'dots'], /Allowed choices are bar, lines, none/],
  ['risk of nothing', ['risk', '{"kind": "known-prompt"}'], /mixture must be/],
  [
    'risk of an unknown kind',
    ['risk', '{"kind": "four-step"}'],
    /kind must be one of 'known-prompt', 'three-step', 'gradient-descent'/,
  ],
  ['risk of text', ['risk', '{"kind": '], /the experiment: cannot be read as JSON or YAML/],
  ['separation of nothing', ['separation', '{"tokens": 4}'], /mixture\.dimension must be/],
  ['separation of a list', ['separation', 'list.yaml'], /list.yaml: cannot be read as JSON or YAML: ENOENT/],
  ['separation of a misspelt option', ['separation', '{"token": 4}'], /mixture\.token must be left out/],
];
for (const [name, args, expected] of usageFaults) {
  test(`bad usage ends with 2 and one line: ${name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 2 }));
    const { code, stdout, stderr } = await command(args, directory);
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, /^prompt-attention: [^\n]+\n$/);
    t.regex(stderr, expected);
    t.deepEqual(readdirSync(directory), ['study.yaml']);
  });
}

const outputFaults: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    'directory missing',
    ['run', 'study.yaml', '--out', 'no/x.sqlite', '--figure', 'x.svg'],
    /no\/x.sqlite: there is no directory/,
  ],
  ['a directory as output', ['run', 'study.yaml', '--out', '.', '--figure', 'x.svg'], /\.: is a directory/],
  [
    'directory of the figure missing',
    ['run', 'study.yaml', '--figure', 'no/x.svg'],
    /no\/x.svg: there is no directory/,
  ],
  ['a directory as figure', ['run', 'study.yaml', '--figure', '.'], /\.: is a directory/],
  [
    'not a result file',
    ['run', 'study.yaml', '--out', 'study.yaml', '--figure', 'x.svg'],
    /study.yaml: is not a result file of a study; choose another one \(out, or --out\)\n$/,
  ],
  ['status of nothing', ['status', 'none.sqlite'], /none.sqlite: there is no such file/],
  ['status of something else', ['status', 'study.yaml'], /study.yaml: is not a result file of a study\n$/],
  [
    'report of something else',
    ['report', 'study.yaml', '--out', 'x'],
    /study.yaml: is not a result file of a study\n$/,
  ],
];
for (const [name, args, expected] of outputFaults) {
  test(`an output that cannot be used ends with 1, one line and no file: ${name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
    const { code, stdout, stderr } = await command(args, directory);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, /^prompt-attention: [^\n]+\n$/);
    t.regex(stderr, expected);
    t.deepEqual(readdirSync(directory), ['study.yaml']);
  });
}

test('another study does not get into a result file', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'one.yaml'), JSON.stringify({ ...smallStudy, trials: 2 }));
  writeFileSync(join(directory, 'two.yaml'), JSON.stringify({ ...smallStudy, trials: 2, seed: 8 }));
  t.is((await command(['run', 'one.yaml'], directory)).code, 0);
  const before = readFileSync(join(directory, 'small.sqlite'));
  const { code, stderr } = await command(['run', 'two.yaml'], directory);
  t.is(code, 1);
  t.regex(stderr, /^prompt-attention: small.sqlite: holds another study .* --out\), or delete this one\n$/);
  t.deepEqual(readFileSync(join(directory, 'small.sqlite')), before);
});

test('risk knows the law of a three-step experiment', async (t) => {
  const mixture = { tokens: 5, dimension: 50, relevantTokens: 1, contextNorm: 2, signalNorm: 1 };
  const experiment = { kind: 'three-step', mixture, examples: 200, stepSizes: [1, 5, 1] };
  const { stdout } = await command(['risk', JSON.stringify(experiment), '--draws', '320'], temporaryDirectory(t));
  const risk = JSON.parse(stdout) as Record<string, number>;
  t.true((risk.error as number) > 0 && (risk.error as number) < 0.5);
  t.true((risk.promptNorm as number) > 0);
});

test('risk prints JSON, from a file as from text', async (t) => {
  const directory = temporaryDirectory(t);
  const experiment = JSON.stringify({ ...smallStudy.experiment, examples: 10, inverseTemperature: 0.5 });
  writeFileSync(join(directory, 'experiment.yaml'), experiment);
  const file = await command(['risk', 'experiment.yaml', '--draws', '500', '--seed', '3'], directory);
  const text = await command(['risk', experiment, '--draws', '500', '--seed', '3'], directory);
  t.is(file.code, 0, file.stderr);
  t.is(file.stdout, text.stdout);
  const risk = JSON.parse(file.stdout) as Record<string, unknown>;
  t.true(Number(risk.error) > 0 && Number(risk.error) < 0.5);
  t.true(Number(risk.standardError) > 0);
  t.is(risk.chi, 'Infinity');
  t.is((risk.inPlaneHead as number[]).length, 2);
});

test('separation prints JSON, from a file as from text', async (t) => {
  const directory = temporaryDirectory(t);
  const mixture = JSON.stringify({
    ...{ tokens: 4, dimension: 20, relevantFraction: 0.5, contextNorm: 1, signalNorm: 1 },
    confusion: [
      { deltaQ: 0, deltaW: 0, probability: 0.5 },
      { deltaQ: 2, deltaW: -2, probability: 0.5 },
    ],
  });
  writeFileSync(join(directory, 'mixture.yaml'), mixture);
  const file = await command(['separation', 'mixture.yaml'], directory);
  const text = await command(['separation', mixture], directory);
  t.is(file.code, 0, file.stderr);
  t.is(file.stdout, text.stdout);
  t.deepEqual(JSON.parse(file.stdout), {
    promptAttention: { accuracy: 1, method: 'closed-form' },
    linearAttention: { accuracy: 0.75, method: 'enumeration' },
    selfAttention: { accuracy: 1, method: 'attained-bound' },
    meanPooling: { accuracy: 1, method: 'enumeration' },
  });
});

test('doctor prints what the package runs on', async (t) => {
  const { code, stdout } = await command(['doctor'], temporaryDirectory(t));
  t.is(code, 0);
  for (const name of ['prompt-attention', 'node', 'SIMD target', 'BLAS core', 'BLAS config', 'threads', 'fingerprint'])
    t.regex(stdout, new RegExp(`^${name} +\\S`, 'm'));
});

test('doctor --limits measures the machine', async (t) => {
  const { code, stdout } = await command(['doctor', '--limits'], temporaryDirectory(t));
  t.is(code, 0);
  for (const line of [
    /^normals +[\d.]+ ns each/m,
    /^exponentials +[\d.]+ ns/m,
    /^matrix products +\d[\d.]* GFLOP/m,
    /^memory +\d[\d.]* GB/m,
  ])
    t.regex(stdout, line);
});

test('doctor warns when OpenBLAS fell back to slow kernels, and only then', (t) => {
  const engine = {
    version: '1.0.0',
    node: '20',
    compiler: 'gcc',
    simdTarget: 'AVX2',
    blasCore: 'Prescott',
    blasConfig: 'OpenBLAS',
    cpuSimd: 'avx2',
    threads: 2,
    fingerprint: 'x',
  };
  t.regex(doctorReport(engine), /\nwarning: OpenBLAS uses its Prescott kernels .* OPENBLAS_CORETYPE=Haswell$/);
  t.regex(slowBlasAdvice({ blasCore: 'Nehalem', cpuSimd: 'avx512' }) ?? '', /OPENBLAS_CORETYPE=SkylakeX$/);
  t.is(slowBlasAdvice({ blasCore: 'Prescott', cpuSimd: 'baseline' }), undefined);
  t.is(slowBlasAdvice({ blasCore: 'Haswell', cpuSimd: 'avx512' }), undefined);
  t.is(slowBlasAdvice({ blasCore: 'Zen', cpuSimd: 'avx2' }), undefined);
  t.false(doctorReport({ ...engine, blasCore: 'Zen' }).includes('warning'));
});

test('nothing that is printed has colours or other escapes, whatever the environment asks for', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.json'), JSON.stringify({ ...smallStudy, trials: 4 }));
  const lines = [['run', 'study.json', '--progress', 'bar'], ['status', 'small.sqlite'], ['no-command']];
  for (const environment of [{ NO_COLOR: '1' }, { FORCE_COLOR: '3' }])
    for (const line of lines) {
      const { stdout, stderr } = await command(line, directory, environment);
      t.true(stdout.length + stderr.length > 0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      t.notRegex((stdout + stderr).replaceAll(/\(node:.*\n/g, ''), /\u001b/, line.join(' '));
    }
});

test('help ends with 0 and leaves nothing behind', async (t) => {
  const directory = temporaryDirectory(t);
  const { code, stdout } = await command(['--help'], directory);
  t.is(code, 0);
  for (const name of ['run', 'status', 'risk', 'separation', 'doctor', 'build']) t.true(stdout.includes(`  ${name} `));
  t.false(existsSync(join(directory, 'small.sqlite')));
});

test('durations are short', (t) => {
  t.is(durationText(0), '0 s');
  t.is(durationText(44.2), '45 s');
  t.is(durationText(100), '2 min');
  t.is(durationText(9000), '2.5 h');
});
