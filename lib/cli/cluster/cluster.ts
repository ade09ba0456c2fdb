import { Command } from 'commander';
import type { ClusterWorker, FailedClusterJob } from '../../cluster/index.js';
import { durationText } from '../../report/progress-text.js';
import { toJson } from '../output.js';
import { clusterStatus } from '../status.js';

interface ClusterFlags {
  readonly cluster: string;
  readonly json?: boolean;
}

interface MigrateFlags extends ClusterFlags {
  readonly reader?: readonly string[];
  readonly submitter?: readonly string[];
  readonly worker?: readonly string[];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A command below `cluster`. */
function subcommand(name: string, description: string): Command {
  return new Command(name).description(description).requiredOption('--cluster <url>', 'postgres://… of the database');
}

const asked = (command: Command) => command.option('--json', 'machine-readable');

function workerLine({ id, host, process: pid, engine, threads, ...rest }: ClusterWorker): string {
  const { alive, silentSeconds, study, job, jobs, trials, refusal } = rest;
  const seen = `heard of ${durationText(silentSeconds)} ago`;
  const has = job === null ? 'no job' : `job ${job} of study ${study}`;
  return [
    `worker ${id} on ${host}, process ${pid}: ${alive ? 'alive' : 'silent'}, ${seen}; ${has}; ${jobs} jobs and ${trials} trials done; ` +
      `engine ${engine}, ${threads} threads`,
    ...(refusal === null ? [] : [`  refuses: ${refusal}`]),
  ].join('\n');
}

/** `cell 3, trials 64 to 127`. */
function itemText({ cell, firstTrial, trials }: FailedClusterJob['items'][number]): string {
  return trials === 0 ? `cell ${cell}, the law` : `cell ${cell}, trials ${firstTrial} to ${firstTrial + trials - 1}`;
}

function failureLine({ study, job, items, attempts, reason, failed }: FailedClusterJob): string {
  const [first, ...others] = items;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  const what = first === undefined ? 'not a job of prompt-attention' : `${itemText(first)}${more}`;
  return `study ${study}, job ${job}: ${what}; failed ${failed} after ${attempts} attempts: ${reason}`;
}

function statusCommand(): Command {
  return asked(subcommand('status', 'print the studies of a cluster and how far they are')).action(
    async ({ cluster, json = false }: ClusterFlags) => print(await clusterStatus(cluster, json)),
  );
}

function workersCommand(): Command {
  return asked(
    subcommand('workers', 'print the workers of a cluster: machine, engine, last sign of life, present job'),
  ).action(async ({ cluster, json = false }: ClusterFlags) => {
    const { workers } = await import('../../cluster/index.js');
    const found = await workers({ url: cluster });
    if (json) print(toJson(found));
    else print(found.length === 0 ? 'no workers' : found.map(workerLine).join('\n'));
  });
}

function failuresCommand(): Command {
  return asked(subcommand('failures', 'print the jobs that failed for good, with their errors'))
    .argument('[id]', 'id of a study, as status prints it (default: all)')
    .action(async (id: string | undefined, { cluster, json = false }: ClusterFlags) => {
      const { failures } = await import('../../cluster/index.js');
      const found = await failures({ url: cluster, id });
      if (json) print(toJson(found));
      else print(found.length === 0 ? 'no failed jobs' : found.map(failureLine).join('\n'));
    });
}

/** A command that does something to one study. */
function studyCommand(name: string, description: string, act: (url: string, id: string) => Promise<string>): Command {
  return subcommand(name, description)
    .argument('<id>', 'id of the study, as status prints it')
    .action(async (id: string, { cluster }: ClusterFlags) => print(await act(cluster, id)));
}

function retryCommand(): Command {
  return studyCommand('retry', 'put the failed and cancelled jobs of a study back', async (url, id) => {
    const { retry } = await import('../../cluster/index.js');
    return `${await retry({ url, id })} jobs wait again`;
  });
}

function cancelCommand(): Command {
  return studyCommand('cancel', 'stop working on a study; what is stored is kept', async (url, id) => {
    const { cancel } = await import('../../cluster/index.js');
    return `${await cancel({ url, id })} jobs cancelled`;
  });
}

function removeCommand(): Command {
  return studyCommand('remove', 'remove a study with its results and jobs', async (url, id) => {
    const { remove } = await import('../../cluster/index.js');
    await remove({ url, id });
    return `study ${id} removed`;
  });
}

function migrateCommand(): Command {
  return subcommand(
    'migrate',
    'make the tables or bring them to the version of this package, and grant roles what they need',
  )
    .option('--reader <role...>', 'roles that may read')
    .option('--submitter <role...>', 'roles that may submit, collect, cancel, retry and remove studies')
    .option('--worker <role...>', 'roles of workers')
    .action(async ({ cluster, reader, submitter, worker }: MigrateFlags) => {
      const { migrate } = await import('../../cluster/index.js');
      const { from, to } = await migrate({ url: cluster, readers: reader, submitters: submitter, workers: worker });
      const granted = [reader, submitter, worker].flatMap((roles) => roles ?? []);
      const tables = from === to ? `tables are of version ${to}` : `tables brought from version ${from} to ${to}`;
      print(`${tables}${granted.length > 0 ? `; granted to ${granted.join(', ')}` : ''}`);
    });
}

/** `prompt-attention cluster …`. */
export function clusterCommand(): Command {
  return new Command('cluster')
    .description('look after the studies and workers of a cluster')
    .addCommand(statusCommand())
    .addCommand(workersCommand())
    .addCommand(failuresCommand())
    .addCommand(retryCommand())
    .addCommand(cancelCommand())
    .addCommand(removeCommand())
    .addCommand(migrateCommand());
}
