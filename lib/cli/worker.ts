import { Command } from 'commander';
import { interruption } from './interruption.js';

interface WorkerFlags {
  readonly cluster: string;
  readonly threads?: string;
  readonly untilDone?: boolean;
}

/** `prompt-attention worker --cluster URL`. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('work on the studies of a cluster until stopped; SIGTERM stops it after the batch under way')
    .requiredOption('--cluster <url>', 'postgres://… of the database')
    .option('--threads <number>', 'threads to use (default: all)')
    .option('--until-done', 'end when no study has work left')
    .action(async ({ cluster, threads, untilDone }: WorkerFlags) => {
      const { work } = await import('../cluster/index.js');
      await work({
        url: cluster,
        threads: threads === undefined ? undefined : Number(threads),
        untilDone,
        signal: interruption(),
        onEvent(event) {
          const text =
            event.kind === 'job'
              ? `${event.study}: ${event.trials} trials in ${event.seconds.toFixed(1)} s${event.kept ? '' : ', done by another worker meanwhile'}`
              : event.reason;
          process.stderr.write(`${text}\n`);
        },
      });
    });
}
