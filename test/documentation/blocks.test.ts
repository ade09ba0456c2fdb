import { execFile, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Command } from 'commander';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { contextualMixture, study } from '../../lib/index.js';
import { parseExperiment } from '../../lib/simulation/kinds.js';
import { elsewhere } from './elsewhere.js';
import { type Block, blocks, documents, placeOf, root } from './markdown.js';
import { projectFolder, temporaryFolder } from './project.js';

const kTsx = import.meta.resolve('tsx');
const ofLanguage = (...languages: readonly string[]) => blocks.filter(({ language }) => languages.includes(language));

test('every code block has a language that a test below checks', (t) => {
  const checked = new Set(['ts', 'js', 'sh', 'yaml', 'json', 'text', 'python']);
  t.deepEqual(
    blocks.filter(({ language }) => !checked.has(language)).map((block) => `${placeOf(block)}: ${block.language}`),
    [],
  );
  t.true(ofLanguage('ts').length > 30 && ofLanguage('sh').length > 5);
});

// `console.log(…); // 0.038 0.037` says what is printed.
const withExpectedOutput = (code: string) =>
  code.replaceAll(/^( *)console\.log\((.*)\); \/\/ (.*)$/gm, (_, indent, shown, expected) => {
    return `${indent}(globalThis as any).expectOutput(${JSON.stringify(expected)}, ${shown});`;
  });

// A database that is nowhere: types of such blocks are checked below, and test/cluster runs their functions.
const kNoHost = '@db/studies';

// One process for all blocks: each is a module of its own, run in a folder that holds the result file they read.
test('every block of TypeScript and JavaScript runs and prints what it says', async (t) => {
  const folder = temporaryFolder(t);
  const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href);
  const prepare = `import { study } from ${library};
await study.run(
  { name: 'benefit-of-context', seed: 1, experiment: { kind: 'known-prompt', mixture: { tokens: 4, dimension: 10, relevantTokens: 1,
    contextNorm: 1, signalNorm: 1 }, examples: 20, inverseTemperature: 1, head: { kind: 'averaging' } }, trials: 4 },
  { out: 'benefit-of-context.sqlite' },
);`;
  const modules = [
    { place: 'preparation', code: prepare },
    ...ofLanguage('ts', 'js')
      .filter(({ code }) => !code.includes(kNoHost))
      .map((block) => ({ place: placeOf(block), code: withExpectedOutput(block.code) })),
  ];
  const main = modules.map(({ place, code }, i) => {
    writeFileSync(join(folder, `block-${i}.mts`), code.replaceAll("from 'prompt-attention'", `from ${library}`));
    const name = JSON.stringify(place);
    return `place = ${name}; try { await import('./block-${i}.mts'); } catch (error) { console.error(${name}, error); }`;
  });
  const expectOutput = `import { format } from 'node:util';
let place = '';
globalThis.expectOutput = (expected, ...shown) => {
  const printed = format(...shown);
  if (printed !== expected) console.error(place, 'prints', printed, 'not', expected);
};`;
  writeFileSync(join(folder, 'main.mts'), [expectOutput, ...main].join('\n'));
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', kTsx, 'main.mts'], {
    cwd: folder,
    timeout: 240_000,
  }).catch((error: { stderr: string }) => error);
  t.is(stderr, '');
});

test('every block of TypeScript has the types of the public interface', (t) => {
  const folder = temporaryFolder(t);
  const files = ofLanguage('ts').map((block, i) => {
    const path = join(folder, `block-${i}.mts`);
    // A block without imports is a module all the same.
    writeFileSync(path, `${block.code}\nexport {};\n`);
    return [path, block] as const;
  });
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const program = ts.createProgram(
    files.map(([path]) => path),
    {
      ...options,
      noUnusedLocals: false,
      typeRoots: [join(root, 'node_modules/@types')],
      paths: { 'prompt-attention': [join(root, 'lib/index.ts')] },
    },
  );
  const byPath = new Map(files);
  const errors = files.flatMap(([path]) => {
    const source = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
      const line = source?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
      const block = byPath.get(path) as Block;
      return `${block.file}:${block.line + line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
    });
  });
  t.deepEqual(errors, []);
});

/** The lines of a block without comments at their ends. */
const commandLines = ({ code }: Block) => code.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim());

/** A block that begins with a comment which is a file name is the contents of that file. */
const fileNameOf = ({ code }: Block) => /^(?:\/\/|#) ([\w-]+\.(?:mjs|js|yaml|json))\n/.exec(code)?.[1];

/** Everything a reader of the document would do in a shell, as one script. */
function scriptOf(documentBlocks: readonly Block[]): string {
  const standIn = new Map(elsewhere.map(({ command, instead = ':' }) => [command, instead]));
  const parts = documentBlocks.map((block) => {
    const name = fileNameOf(block);
    if (name !== undefined) return `cat > ${name} <<'END_OF_FILE'\n${block.code}END_OF_FILE`;
    if (block.language !== 'sh') return '';
    const lines = block.code.split('\n').map((line, i) => standIn.get(commandLines(block)[i] as string) ?? line);
    return `place=${placeOf(block)}\n${lines.join('\n')}`;
  });
  return `set -euo pipefail\ntrap 'echo "$place: $BASH_COMMAND failed" >&2' ERR\n${parts.join('\n')}\n`;
}

/** Run a script of the shell in such a folder; what it says on standard error if it fails, else nothing. */
async function failureOf(script: string, folder: string, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  try {
    await promisify(execFile)('bash', ['-c', script], {
      cwd: folder,
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, CHECKOUT: root, ...environment },
      timeout: 240_000,
    });
    return '';
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
}

for (const { file, blocks: documentBlocks } of documents) {
  if (!documentBlocks.some(({ language }) => language === 'sh')) continue;
  test(`the commands of ${file} run`, async (t) => {
    t.is(await failureOf(scriptOf(documentBlocks), projectFolder(t)), '');
  });
}

const kSweep = {
  name: 'sweep',
  seed: 1,
  experiment: {
    kind: 'known-prompt',
    mixture: { tokens: 4, dimension: 10, relevantTokens: 1, contextNorm: 1, signalNorm: 1 },
    inverseTemperature: 1,
    head: { kind: 'averaging' },
  },
  factors: { examples: Array.from({ length: 40 }, (_, i) => i + 10) },
  trials: 2,
};

/** Run the Slurm script as the task `id` of an array of `count` tasks. */
function slurmTask(folder: string, id: number, count: number, parameters: string): Promise<string> {
  const variables = {
    SLURM_ARRAY_TASK_ID: String(id),
    SLURM_ARRAY_TASK_COUNT: String(count),
    SLURM_CPUS_PER_TASK: '1',
  };
  return failureOf(`bash examples/slurm-array.sbatch ${parameters}`, folder, variables);
}

for (const [what, id, count, parameters, shard] of [
  ['the whole array', 2, 32, 'sweep.yaml 32', 2],
  ['one task of it again', 2, 1, 'sweep.yaml 32', 2],
  ['an array with an offset', 2, 16, 'sweep.yaml 32 16', 18],
] as const)
  test(`the Slurm script runs a shard of a study: ${what}`, async (t) => {
    const folder = projectFolder(t);
    writeFileSync(join(folder, 'sweep.yaml'), JSON.stringify(kSweep));
    t.is(await slurmTask(folder, id, count, parameters), '');
    const { rows } = await study.open(join(folder, `sweep.shard-${shard}-of-32.sqlite`));
    t.deepEqual(
      rows.map(({ index }) => index),
      [shard - 1, shard + 31].filter((index) => index < 40),
    );
  });

test('the Slurm script wants the number of shards, and no task beyond it', async (t) => {
  const folder = projectFolder(t);
  writeFileSync(join(folder, 'sweep.yaml'), JSON.stringify(kSweep));
  t.regex(await slurmTask(folder, 1, 4, 'sweep.yaml'), /give the number of shards/);
  t.regex(await slurmTask(folder, 3, 4, 'sweep.yaml 2'), /shard.index must be an integer ≤ shard.count; got 3/);
});

/** What the container of the Kubernetes job runs, with its volume in this folder. */
function kubernetesScript(t: ExecutionContext, folder: string): string {
  const job = parseAllDocuments(readFileSync(join(root, 'examples/kubernetes-indexed-job.yaml'), 'utf8'))[0]?.toJS();
  const [{ command, args }] = job.spec.template.spec.containers;
  t.deepEqual(command, ['bash', '-c']);
  t.is(job.spec.completions, 32);
  return (args[0] as string).replace('/results/', `${folder}/`);
}

for (const manager of ['Slurm', 'Kubernetes'])
  test(`the process that ${manager} starts ends cleanly on SIGTERM, and nothing stays behind`, async (t) => {
    const folder = projectFolder(t);
    const slow = JSON.stringify({ ...kSweep, name: 'sample-complexity', testDraws: 10_000, trials: 1_000_000 });
    writeFileSync(join(folder, 'sample-complexity.yaml'), slow);
    const script =
      manager === 'Slurm'
        ? 'exec bash examples/slurm-array.sbatch sample-complexity.yaml 32'
        : kubernetesScript(t, folder).replace('--threads 8', '--threads 1');
    const env = { ...process.env, SLURM_ARRAY_TASK_ID: '1', SLURM_CPUS_PER_TASK: '1', JOB_COMPLETION_INDEX: '0' };
    const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (data) => {
        said += data;
        // More than the first batch has, so that something is stored.
        if (/"completedTrials":\d{4}/.test(said)) resolve();
      });
      child.once('close', () => resolve());
    });
    child.kill('SIGTERM');
    // The pipe closes when nobody holds its other end any more.
    t.is(await ended, 130, said);
    t.regex(said, /interrupted; finished trials are kept in .*sample-complexity.shard-1-of-32.sqlite/);
    t.true((await study.progress(join(folder, 'sample-complexity.shard-1-of-32.sqlite'))).completedTrials > 0);
  });

test('the container of the Kubernetes job runs a shard of a study', async (t) => {
  const folder = projectFolder(t);
  writeFileSync(join(folder, 'sample-complexity.yaml'), JSON.stringify(kSweep));
  const script = kubernetesScript(t, folder);
  t.is(await failureOf(script, folder, { JOB_COMPLETION_INDEX: '1' }), '');
  t.is((await study.open(join(folder, 'sample-complexity.shard-2-of-32.sqlite'))).rows.length, 2);
});

test('a command that is not run here stands in a document and is run where the list says', (t) => {
  const written = new Set(ofLanguage('sh').flatMap(commandLines));
  for (const { command, ranBy } of elsewhere) {
    t.true(written.has(command), `${command} stands in no document`);
    if (ranBy === null) continue;
    const [file, text] = ranBy;
    t.true(readFileSync(join(root, file), 'utf8').includes(text), `${file} does not run ${text}`);
  }
});

test('every block of YAML and JSON is a study, an experiment or a mixture', (t) => {
  for (const block of ofLanguage('yaml', 'json')) {
    for (const document of parseAllDocuments(block.code)) {
      t.deepEqual(document.errors, [], placeOf(block));
      const value = document.toJS() as Record<string, unknown>;
      t.notThrows(() => {
        if ('experiment' in value) study.define(value as never);
        else if ('kind' in value) parseExperiment(value);
        else contextualMixture(value as never);
      }, placeOf(block));
    }
  }
});

/** The commands of the command line by name. */
async function commandLine(): Promise<ReadonlyMap<string, Command>> {
  const found = new Map<string, Command>();
  for (const name of readdirSync(join(root, 'lib/cli'), { recursive: true, encoding: 'utf8' })) {
    // The entry point runs what process.argv says.
    if (name === 'main.ts' || !name.endsWith('.ts')) continue;
    const module = (await import(pathToFileURL(join(root, 'lib/cli', name)).href)) as Record<string, unknown>;
    for (const [exported, value] of Object.entries(module)) {
      if (!exported.endsWith('Command')) continue;
      const command = (value as () => Command)();
      found.set(command.name(), command);
    }
  }
  return found;
}

test('every block of Python runs', async (t) => {
  if (spawnSync('python3', ['-c', 'import numpy']).status !== 0) {
    t.log('Python or NumPy is not installed (apt-get install python3-numpy)');
    t.pass();
    return;
  }
  const folder = temporaryFolder(t);
  const file = join(folder, 'heads.sqlite');
  const mixture = { tokens: 4, dimension: 10, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
  const head = { kind: 'averaging' } as const;
  const experiment = { kind: 'known-prompt', mixture, examples: 20, inverseTemperature: 1, head } as const;
  await study.run({ name: 'heads', seed: 1, experiment, factors: { examples: [20, 40] }, trials: 4 }, { out: file });
  await study.exportResults(file, { format: 'npz', out: join(folder, 'heads.npz') });
  t.true(ofLanguage('python').length > 0);
  for (const block of ofLanguage('python')) {
    const { status, stderr } = spawnSync('python3', ['-c', block.code], { cwd: folder, encoding: 'utf8' });
    t.is(status, 0, `${placeOf(block)}\n${stderr}`);
  }
});

test('every command line in a document uses commands and options that exist, and the synopsis names all commands', async (t) => {
  const commands = await commandLine();
  const named = new Set<string>();
  for (const block of ofLanguage('sh', 'text')) {
    for (const line of commandLines(block)) {
      const [, name, rest] = /(?:^|\s)prompt-attention ([a-z]+)(?=\s|$)(.*)/.exec(line) ?? [];
      if (name === undefined) continue;
      const command = commands.get(name);
      t.truthy(command, `${placeOf(block)}: there is no command ${name}`);
      if (block.language === 'text') named.add(name);
      const options = new Set(
        [command, ...(command?.commands ?? [])].flatMap((each) => each?.options ?? []).map(({ long }) => long),
      );
      for (const [option] of rest?.matchAll(/--[a-z][a-z-]*/g) ?? [])
        t.true(options.has(option), `${placeOf(block)}: ${name} has no option ${option}`);
    }
  }
  t.deepEqual([...named].sort(), [...commands.keys()].sort());
});

/** What begins the lines of docs/hosts.md that are for other programs, which its table says how to run. */
const kHosts = /^(npx|node|deno|esbuild|NODE_OPTIONS=\S+ npx|FROM|strictDepBuilds:) /;

test('blocks of text are command lines or what programs print', (t) => {
  for (const block of ofLanguage('text')) {
    const isOfHosts = placeOf(block).startsWith('docs/hosts.md');
    t.regex(block.code, isOfHosts ? kHosts : /^prompt-attention /, placeOf(block));
  }
});
