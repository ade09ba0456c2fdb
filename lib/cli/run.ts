import { statSync, writeFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { OptionRangeError, StoreError } from '../errors.js';
import { ExitCode } from './errors.js';

interface RunFlags {
  readonly out?: string;
  readonly figure?: string;
  readonly threads?: string;
  readonly progress?: 'bar' | 'lines' | 'none';
}

/** Find out before the study runs, not after it, that its figure could not be written. */
function checkFigurePath(figure: string, inputs: readonly string[]): void {
  for (const input of inputs) {
    if (resolve(figure) === resolve(input)) throw new OptionRangeError('figure', `a file other than ${input}`, figure);
  }
  if (statSync(figure, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${figure}: is a directory, not a file`);
  const directory = dirname(resolve(figure));
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${figure}: there is no directory ${directory}`);
}

/** A signal that aborts when the user interrupts or the system terminates; a second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  return controller.signal;
}

async function runStudy(study: string, flags: RunFlags): Promise<void> {
  const { define, run } = await import('../study/index.js');
  const { progressDisplay } = await import('./progress.js');
  const spec = define(study);
  const out = flags.out ?? `${spec.name}.sqlite`;
  const figure = flags.figure ?? `${out.slice(0, out.length - extname(out).length)}.svg`;
  checkFigurePath(figure, [out, study]);
  const signal = interruption();
  const display = await progressDisplay(flags.progress);
  try {
    const { rows, warnings, file } = await run(spec, {
      out,
      signal,
      threads: flags.threads === undefined ? undefined : Number(flags.threads),
      onProgress: (progress) => display.update(progress),
    });
    display.stop();
    const { studyTable } = await import('../report/table.js');
    process.stdout.write(`${studyTable(rows)}\n\n`);
    const { studyFigure } = await import('../report/figure.js');
    writeFileSync(figure, await studyFigure(rows));
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    process.stdout.write(`results: ${file}\nfigure:  ${figure}\n`);
  } catch (error) {
    display.stop();
    if (!signal.aborted) throw error;
    process.stderr.write(
      `prompt-attention: interrupted; finished trials are kept in ${out}, the same command continues the study\n`,
    );
    process.exitCode = ExitCode.interrupted;
  }
}

/** `prompt-attention run STUDY`. */
export function runCommand(): Command {
  return new Command('run')
    .description('run a study, or what is left of it; print its table and draw its figure')
    .argument('<study>', 'study file (YAML or JSON)')
    .option('--out <file>', 'result file, continued if it exists (default: <name>.sqlite)')
    .option('--figure <file>', 'SVG figure (default: the result file with the extension .svg)')
    .option('--threads <number>', 'threads to use (default: all)')
    .addOption(
      new Option('--progress <kind>', 'how to show progress (default: bar on a terminal, else lines)').choices([
        'bar',
        'lines',
        'none',
      ]),
    )
    .action(runStudy);
}
