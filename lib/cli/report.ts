import { Command } from 'commander';

/** `prompt-attention report FILE --out DIR`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write a self-contained HTML page about a study, and its figures as SVG and PNG')
    .argument('<file>', 'result file')
    .requiredOption('--out <directory>', 'directory to write to; made if it does not exist')
    .action(async (file: string, { out }: { readonly out: string }) => {
      const { writeReport } = await import('../report/index.js');
      const { page, figures, warnings } = await writeReport(file, { out });
      for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
      process.stdout.write(`report: ${page}\n${figures.length} figures, as SVG and PNG\n`);
    });
}
