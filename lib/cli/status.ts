import { Command } from 'commander';
import { OptionTypeError } from '../base/errors.js';
import { progressText } from '../report/progress-text.js';
import { toJson } from './output.js';

interface StatusFlags {
  readonly cluster?: string;
  readonly json?: boolean;
}

async function fileStatus(file: string, asJson: boolean): Promise<string> {
  const { open, progress } = await import('../study/index.js');
  const { shortTable } = await import('../report/table.js');
  const how = await progress(file);
  const { spec, specHash, rows, agreement, runs, warnings } = await open(file);
  const unreliableCells = rows.filter(({ reliable }) => !reliable).length;
  if (asJson) return toJson({ study: spec.name, specHash, ...how, unreliableCells, agreement, runs, warnings });
  return [
    `study ${spec.name} (${specHash.slice(0, 12)}): ${progressText(how)}`,
    ...(rows.length > 0 ? ['', shortTable(rows, agreement)] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n');
}

/** The studies of a cluster, a line each. */
export async function clusterStatus(url: string, asJson: boolean): Promise<string> {
  const { list } = await import('../cluster/index.js');
  const studies = await list({ url });
  if (asJson) return toJson(studies);
  if (studies.length === 0) return 'no studies';
  return studies
    .map(({ id, name, jobs, failedJobs, cancelledJobs, ...how }) => {
      const failed = failedJobs > 0 ? `, ${failedJobs} jobs failed` : '';
      const cancelled = cancelledJobs > 0 ? `, ${cancelledJobs} jobs cancelled` : '';
      return `study ${name} (${id}): ${progressText(how)}, ${jobs} jobs left${failed}${cancelled}`;
    })
    .join('\n');
}

/** `prompt-attention status FILE`. */
export function statusCommand(): Command {
  return new Command('status')
    .description('print how far a study is and its rows so far; works while it runs')
    .argument('[file]', 'result file')
    .option('--cluster <url>', 'the studies of a cluster, not a file')
    .option('--json', 'machine-readable')
    .action(async (file: string | undefined, { cluster, json = false }: StatusFlags) => {
      if ((file === undefined) === (cluster === undefined))
        throw new OptionTypeError('file', 'given, or --cluster, and not both', file);
      const text = cluster === undefined ? fileStatus(file as string, json) : clusterStatus(cluster, json);
      process.stdout.write(`${await text}\n`);
    });
}
