import { Command } from 'commander';

interface MergeFlags {
  readonly out: string;
  readonly mixedEngines?: boolean;
  readonly partial?: boolean;
}

/** `prompt-attention merge FILE…`. */
export function mergeCommand(): Command {
  return new Command('merge')
    .description('join result files of one study, for example of its shards')
    .argument('<files...>', 'result files')
    .requiredOption('--out <file>', 'the merged result file; must not exist')
    .option('--mixed-engines', 'accept files computed by different engines, which agree up to rounding only')
    .option('--partial', 'accept files that together lack some of the study')
    .action(async (files: readonly string[], { out, mixedEngines, partial }: MergeFlags) => {
      const { merge } = await import('../study/index.js');
      const { file, cells, finishedCells, rows, warnings } = await merge(files, { out, mixedEngines, partial });
      for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
      const trials = rows.reduce((sum, row) => sum + row.trials, 0);
      process.stdout.write(`results: ${file}\n${finishedCells} of ${cells} cells finished, ${trials} trials\n`);
    });
}
