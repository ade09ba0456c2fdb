import { realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { OptionRangeError } from '../../base/errors.js';
import { durationText } from '../../report/progress-text.js';
import { interruption } from '../interruption.js';

interface SlurmFlags {
  readonly tasks: string;
  readonly cpus: string;
  readonly partition?: string;
}

/** The time limit is so many times the prediction, and these seconds more: cells differ, and so do processors. */
const kTimeFactor = 3;
const kTimeSeconds = 600;
/** The memory asked for is so many times what was measured, and a multiple of so many megabytes. */
const kMemoryFactor = 2;
const kMemoryStep = 512;
/** Slurm's default MaxArraySize allows indices below this. */
const kLargestIndex = 1000;

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function integer(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new OptionRangeError(option, 'an integer ≥ 1', text);
  return value;
}

/** Seconds as Slurm's `D-HH:MM:SS`. */
function timeLimit(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const minutes = Math.ceil(seconds / 60);
  return `${Math.floor(minutes / 1440)}-${two((minutes % 1440) / 60)}:${two(minutes % 60)}:00`;
}

interface SlurmPlan {
  readonly name: string;
  readonly study: string;
  readonly tasks: number;
  readonly cpus: number;
  readonly partition: string | undefined;
  /** Cells of the largest task, and how long they are predicted to take. */
  readonly cells: number;
  readonly seconds: number;
  readonly megabytes: number;
  /** Whether this machine's processor has AVX. */
  readonly hasAvx: boolean;
}

/** The script: a job array with a task per shard, and a job that joins their files when all have succeeded. */
function script({ name, study, tasks, cpus, partition, cells, seconds, megabytes, hasAvx }: SlurmPlan): string {
  const command = [process.execPath, ...process.execArgv, realpathSync(process.argv[1] as string)]
    .map(quoted)
    .join(' ');
  const where = partition === undefined ? [] : [`#SBATCH --partition=${partition}`];
  const core = hasAvx
    ? [
        '# The same OpenBLAS kernels on all nodes, so that results are bit-identical and may be merged.',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: for bash.
        'export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-Haswell}',
      ]
    : [];
  const large =
    tasks > kLargestIndex ? [`# The cluster has to allow arrays of ${tasks}: scontrol show config, MaxArraySize.`] : [];
  return [
    '#!/usr/bin/env bash',
    `# Study ${name} as a Slurm array of ${tasks} tasks with ${cpus} processors each, and a job that merges and reports when all are done.`,
    '# Run it with bash, in a directory that all nodes see; what it is given goes to the sbatch of the array:',
    '#   --array=2,7-9 submits a part of it, for example tasks that reached their time limit, which then go on where they were.',
    `# Predicted on this machine: at most ${durationText(seconds)} for the ${cells} cells of a task. The time limit is ${kTimeFactor} times that and ten minutes.`,
    ...large,
    'set -euo pipefail',
    'array=$(sbatch --parsable "$@" <<\'SHARD\'',
    '#!/usr/bin/env bash',
    `#SBATCH --job-name=${name}`,
    `#SBATCH --array=1-${tasks}`,
    `#SBATCH --cpus-per-task=${cpus}`,
    `#SBATCH --mem=${megabytes}M`,
    `#SBATCH --time=${timeLimit(kTimeFactor * seconds + kTimeSeconds)}`,
    '#SBATCH --signal=B:TERM@60',
    '#SBATCH --requeue',
    ...where,
    'set -euo pipefail',
    ...core,
    "# Node takes the place of this shell, so that it gets Slurm's SIGTERM and stores what is finished.",
    `exec ${command} run ${quoted(study)} \\`,
    `  --shard "$SLURM_ARRAY_TASK_ID/${tasks}" --threads ${cpus} --progress json`,
    'SHARD',
    ')',
    'merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes <<\'MERGE\'',
    '#!/usr/bin/env bash',
    `#SBATCH --job-name=${name}-merge`,
    '#SBATCH --cpus-per-task=1',
    `#SBATCH --mem=${megabytes}M`,
    '#SBATCH --time=0-01:00:00',
    ...where,
    'set -euo pipefail',
    `${command} merge ${name}.shard-*-of-${tasks}.sqlite --out ${name}.sqlite`,
    `${command} report ${name}.sqlite --out ${name}-report`,
    'MERGE',
    ')',
    'echo "array $array, then merge $merge"',
  ].join('\n');
}

async function printScript(argument: string, flags: SlurmFlags): Promise<void> {
  const { engineInfo } = await import('../../base/engine.js');
  const { define } = await import('../../study/index.js');
  const { forecast } = await import('../../study/forecast.js');
  const spec = define(argument);
  const tasks = integer(flags.tasks, 'tasks');
  const cpus = integer(flags.cpus, 'cpus');
  const threads = availableParallelism();
  const { cells, seconds, memory } = await forecast(spec, { threads, signal: interruption() });
  if (tasks > cells) throw new OptionRangeError('tasks', `an integer up to ${cells}, the number of cells`, tasks);
  const most = Math.ceil(cells / tasks);
  const plan: SlurmPlan = {
    name: spec.name,
    study: resolve(argument),
    tasks,
    cpus,
    partition: flags.partition,
    cells: most,
    seconds: Math.ceil((seconds.most * threads * most) / (cells * cpus)),
    megabytes: Math.ceil((kMemoryFactor * memory) / 2 ** 20 / kMemoryStep) * kMemoryStep,
    hasAvx: /^avx/.test(engineInfo().cpuSimd),
  };
  process.stdout.write(`${script(plan)}\n`);
}

/** `prompt-attention slurm STUDY --tasks N`. */
export function slurmCommand(): Command {
  return new Command('slurm')
    .description(
      'print a script that runs a study as a Slurm array, with limits from a prediction, and merges its results',
    )
    .argument('<study>', 'study file (YAML or JSON)')
    .requiredOption('--tasks <number>', 'tasks of the array, at most the cells of the study')
    .option('--cpus <number>', 'processors of each task', '8')
    .option('--partition <name>', "partition of the cluster (default: the cluster's)")
    .action(printScript);
}
