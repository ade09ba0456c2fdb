import { Command } from 'commander';

interface ReportFlags {
  readonly out: string;
  readonly contours?: string;
}

/** `prompt-attention report FILE --out DIR`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write a self-contained HTML page about a study, and its figures as SVG and PNG')
    .argument('<file>', 'result file')
    .requiredOption('--out <directory>', 'directory to write to; made if it does not exist')
    .option('--contours <errors>', 'test errors that have a line in phase diagrams, with commas between')
    .action(async (file: string, { out, contours }: ReportFlags) => {
      const { writeReport } = await import('../report/index.js');
      const { page, figures, warnings } = await writeReport(file, {
        out,
        ...(contours === undefined ? {} : { contours: contours.split(',').map(Number) }),
      });
      for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
      process.stdout.write(`report: ${page}\n${figures.length} figures, as SVG and PNG\n`);
    });
}
