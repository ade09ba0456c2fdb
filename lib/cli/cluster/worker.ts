import { Command, Option } from 'commander';
import { interruption } from '../interruption.js';
import { kLogFormats, kLogLevels, type LogFormat, type LogLevel } from './worker-log.js';

interface WorkerFlags {
  readonly cluster: string;
  readonly threads?: string;
  readonly untilDone?: boolean;
  readonly drain?: string;
  readonly health?: string;
  readonly log?: LogFormat;
  readonly logLevel: LogLevel;
}

const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));

async function runWorker({ cluster, threads, untilDone, drain, health, log, logLevel }: WorkerFlags): Promise<void> {
  const { work } = await import('../../cluster/index.js');
  const { secretsOf, shownUrl } = await import('../../cluster/reasons.js');
  const { openWorkerLog } = await import('./worker-log.js');
  const { serveHealth } = await import('./worker-health.js');
  // Refuses what is no address.
  const where = shownUrl(cluster);
  const format = log ?? (process.stderr.isTTY ? 'text' : 'json');
  const lines = await openWorkerLog(format, logLevel, secretsOf(cluster));
  const server = health === undefined ? undefined : await serveHealth(health);
  try {
    if (server !== undefined) lines.note(`health: listening on ${server.address}`);
    await work({
      url: cluster,
      threads: number(threads),
      untilDone,
      drainSeconds: number(drain),
      signal: interruption(),
      onEvent(event) {
        server?.observe(event);
        lines.event(event);
      },
    });
    lines.note(`ended, ${where}`);
  } finally {
    server?.close();
  }
}

/** `prompt-attention worker --cluster URL`. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('work on the studies of a cluster until stopped; SIGTERM stops it after the batch under way')
    .requiredOption('--cluster <url>', 'postgres://… of the database')
    .option('--threads <number>', 'threads to use (default: all)')
    .option('--until-done', 'end when no study has work left')
    .option('--drain <seconds>', 'what the batch under way is given when the worker is stopped (default: 10)')
    .option('--health <address>', 'PORT or HOST:PORT for /live, /ready and the Prometheus /metrics (default: none)')
    .addOption(
      new Option('--log <format>', 'of the log on standard error (default: text on a terminal, else json)').choices(
        kLogFormats,
      ),
    )
    .addOption(new Option('--log-level <level>', 'least level that is logged').choices(kLogLevels).default('info'))
    .action(runWorker);
}
