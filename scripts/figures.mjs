// Makes the figures of README and guides from the studies and programs of examples/ that are committed with them.
//
//   npm run figures                     all of them
//   npm run figures -- heads real-data  the named ones
//   npm run figures -- --list           the table of what is made from what, and how long it takes
//
// Result files stay in results/, so that a command that was interrupted goes on where it was, and one that finished takes seconds.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = 'dist/cli/main.js';
const results = 'results';

const runOf = (name) => [
  [cli, 'run', `examples/${name}.yaml`, '--out', `${results}/${name}.sqlite`, '--figure', `docs/${name}.svg`],
];

/**
 * Every figure of docs/: the studies and programs it is made from, the commands (arguments of node, run in the root of the
 * repository) and the seconds they took on two cores of an AMD EPYC (AVX-512) without result files.
 */
export const figures = [
  {
    name: 'benefit-of-context',
    makes: ['docs/benefit-of-context.svg'],
    from: ['examples/benefit-of-context.yaml'],
    commands: runOf('benefit-of-context'),
    seconds: 2,
  },
  {
    name: 'sample-complexity',
    makes: ['docs/sample-complexity.svg'],
    from: ['examples/sample-complexity.yaml'],
    commands: runOf('sample-complexity'),
    seconds: 12,
  },
  {
    name: 'heads',
    makes: ['docs/heads.svg'],
    from: ['examples/heads.yaml'],
    commands: runOf('heads'),
    seconds: 2,
  },
  {
    name: 'double-descent',
    makes: ['docs/double-descent.svg'],
    from: ['examples/double-descent.yaml'],
    commands: runOf('double-descent'),
    seconds: 2,
  },
  {
    name: 'phase-diagram',
    makes: ['docs/phase-diagram.svg'],
    from: ['examples/phase-diagram.yaml'],
    commands: runOf('phase-diagram'),
    seconds: 26,
  },
  {
    name: 'limits',
    makes: ['docs/limits.svg'],
    from: ['examples/limits.mjs'],
    commands: [['examples/limits.mjs', 'docs/limits.svg']],
    seconds: 19,
  },
  {
    name: 'oracle',
    makes: ['docs/oracle.svg'],
    from: ['examples/oracle.mjs'],
    commands: [['examples/oracle.mjs', 'docs/oracle.svg']],
    seconds: 23,
  },
  {
    name: 'separation',
    makes: ['docs/separation.svg'],
    from: ['examples/separation.mjs', 'examples/separation.yaml'],
    commands: [['examples/separation.mjs', `${results}/separation.sqlite`, 'docs/separation.svg']],
    seconds: 52,
  },
  {
    name: 'long-training',
    makes: ['docs/long-training.svg'],
    from: ['examples/long-training.mjs', 'examples/long-training.yaml'],
    commands: [['examples/long-training.mjs', `${results}/long-training.sqlite`, 'docs/long-training.svg']],
    seconds: 151,
  },
  {
    name: 'report',
    makes: ['docs/report.png'],
    from: ['examples/three-heads.yaml'],
    commands: [
      [cli, 'run', 'examples/three-heads.yaml', '--out', `${results}/three-heads.sqlite`],
      [cli, 'report', `${results}/three-heads.sqlite`, '--out', `${results}/three-heads`],
      ['scripts/picture-of-page.mjs', `${results}/three-heads/index.html`, 'docs/report.png'],
    ],
    seconds: 12,
  },
  {
    name: 'explorer',
    makes: ['docs/explorer.png', 'docs/explorer-narrow.png', 'docs/explorer-study.png'],
    from: ['examples/benefit-of-context.yaml'],
    commands: [
      [cli, 'run', 'examples/benefit-of-context.yaml', '--out', `${results}/benefit-of-context.sqlite`],
      [
        'scripts/pictures-of-explorer.mjs',
        `${results}/benefit-of-context.sqlite`,
        'docs/explorer.png',
        'docs/explorer-narrow.png',
        'docs/explorer-study.png',
      ],
    ],
    seconds: 20,
  },
  {
    name: 'real-data',
    makes: [
      'docs/images-bag.svg',
      'docs/images-transfer.svg',
      'docs/images-prompts.svg',
      'docs/images-risk.svg',
      'docs/attention-partial-tiled.svg',
      'docs/attention-embedded.svg',
    ],
    from: [
      'examples/real-data.mjs',
      'examples/images-bag.yaml',
      'examples/images-transfer.yaml',
      'examples/images-prompts.yaml',
      'examples/images-risk.yaml',
    ],
    commands: [['examples/real-data.mjs', results, 'docs']],
    seconds: 480,
  },
];

function make({ name, makes, commands }) {
  const begin = performance.now();
  for (const command of commands) {
    process.stdout.write(`\n> node ${command.join(' ')}\n`);
    const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
    if (status !== 0) throw new Error(`${name}: node ${command.join(' ')} failed`);
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  process.stdout.write(`${name}: ${makes.join(', ')} in ${seconds} s\n`);
}

function main(names) {
  if (names.includes('--list')) {
    for (const { name, makes, from, seconds } of figures)
      process.stdout.write(`${name} (${seconds} s): ${makes.join(', ')} from ${from.join(', ')}\n`);
    return;
  }
  const unknown = names.find((name) => !figures.some((figure) => figure.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no figure ${unknown}; there are ${figures.map(({ name }) => name).join(', ')}`);
  if (!existsSync(`${root}/${cli}`)) throw new Error(`${cli} is missing: npm run build`);
  mkdirSync(`${root}/${results}`, { recursive: true });
  for (const figure of figures) if (names.length === 0 || names.includes(figure.name)) make(figure);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${relative(process.cwd(), process.argv[1])}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
