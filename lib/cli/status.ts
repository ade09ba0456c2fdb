import { Command } from 'commander';

/** `prompt-attention status FILE`. */
export function statusCommand(): Command {
  return new Command('status')
    .description('print how far a study is and its rows so far; works while it runs')
    .argument('<file>', 'result file')
    .action(async (file: string) => {
      const { open } = await import('../study/index.js');
      const { studyTable } = await import('../report/table.js');
      const { spec, specHash, cells, finishedCells, rows, warnings } = await open(file);
      const trials = rows.reduce((sum, row) => sum + row.trials, 0);
      const lines = [
        `study ${spec.name} (${specHash.slice(0, 12)}): ${finishedCells} of ${cells} cells finished, ${trials} trials`,
        ...(rows.length > 0 ? ['', studyTable(rows)] : []),
        ...warnings.map((warning) => `warning: ${warning}`),
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
