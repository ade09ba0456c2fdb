import { extname } from 'node:path';
import { Command, Option } from 'commander';
import { kFormats } from '../formats/table.js';
import { sayWhere, toFileOrOutput } from './output.js';

interface ExportFlags {
  readonly format: (typeof kFormats)[number];
  readonly out?: string;
  readonly trials?: boolean;
}

/** `prompt-attention export FILE`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write the rows of a result file as CSV, JSON, Parquet, Arrow or NumPy arrays')
    .argument('<file>', 'result file')
    .addOption(new Option('--format <format>', 'format of the output').choices(kFormats).makeOptionMandatory())
    .option(
      '--out <file>',
      'file to write, - for standard output (default: the result file with the extension of the format)',
    )
    .option('--trials', 'one row per trial with its raw metrics, not one per cell')
    .action(async (file: string, { format, out, trials }: ExportFlags) => {
      const { exportResults, progress } = await import('../study/index.js');
      const base = file.slice(0, file.length - extname(file).length);
      const target = out ?? `${base}${trials === true ? '.trials' : ''}.${format}`;
      const what = trials === true ? 'trials' : 'rows';
      await toFileOrOutput(target, (path) => exportResults(file, { format, out: path, what }));
      const { cells, finishedCells } = await progress(file);
      if (finishedCells < cells)
        process.stderr.write(`warning: only ${finishedCells} of ${cells} cells are finished\n`);
      sayWhere(target, `${what}: ${target}\n`);
    });
}
