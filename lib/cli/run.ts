import { statSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { OptionRangeError, OptionTypeError, StoreError } from '../base/errors.js';
import { isMissingPackage } from '../base/optional-packages.js';
import type { PageServer } from '../explore/server.js';
import type { WatchedStudy } from '../explore/watch.js';
import type { Shard, StudyResult } from '../study/index.js';
import { ExitCode } from './errors.js';
import { checkFigureName, writeFigure } from './figure.js';
import { interruption } from './interruption.js';
import { kProgressKinds, type ProgressKind } from './progress.js';

interface RunFlags {
  readonly out?: string;
  readonly figure?: string;
  readonly threads?: string;
  readonly shard?: string;
  readonly cluster?: string;
  readonly detach?: boolean;
  readonly dryRun?: boolean;
  readonly open?: boolean;
  readonly expire?: string;
  readonly mixedEngines?: boolean;
  readonly progress?: ProgressKind;
}

/** Find out before the study runs, not after it, that its figure could not be written. */
async function checkFigurePath(figure: string, inputs: readonly string[]): Promise<void> {
  if (figure === '-') throw new OptionRangeError('figure', 'a file: the table goes to standard output', figure);
  for (const input of inputs) {
    if (resolve(figure) === resolve(input)) throw new OptionRangeError('figure', `a file other than ${input}`, figure);
  }
  if (statSync(figure, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${figure}: is a directory, not a file`);
  const directory = dirname(resolve(figure));
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${figure}: there is no directory ${directory}`);
  await checkFigureName(figure, 'figure');
}

/** Where the figure goes; none that was not asked for is drawn where its packages are not installed. */
interface FigurePlan {
  readonly file: string;
  /** Why it is not drawn. */
  readonly omitted?: string;
}

async function planFigure(
  asked: string | undefined,
  otherwise: string,
  inputs: readonly string[],
): Promise<FigurePlan> {
  const file = asked ?? otherwise;
  try {
    await checkFigurePath(file, inputs);
    return { file };
  } catch (error) {
    if (asked !== undefined || !(error instanceof StoreError && isMissingPackage(error.cause))) throw error;
    return { file, omitted: error.message };
  }
}

function parseShard(text: string | undefined): Shard | undefined {
  if (text === undefined) return undefined;
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined) throw new OptionRangeError('shard', 'I/N, for example 1/3 for the first of three', text);
  return { index: Number(index), count: Number(count) };
}

async function showResults({ rows, agreement, warnings, file }: StudyResult, figure: FigurePlan): Promise<void> {
  const { shortTable } = await import('../report/table.js');
  const { studyFigure } = await import('../report/figures/figure.js');
  if (rows.length > 0) {
    process.stdout.write(`${shortTable(rows, agreement)}\n\n`);
    if (figure.omitted === undefined) await writeFigure(figure.file, await studyFigure(rows));
  }
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const drawn = figure.omitted === undefined ? figure.file : `none; ${figure.omitted}`;
  process.stdout.write(`results: ${file}\n${rows.length > 0 ? `figure:  ${drawn}\n` : ''}`);
}

async function runStudy(study: string, flags: RunFlags): Promise<void> {
  const { define, run } = await import('../study/index.js');
  const { pendingWarning } = await import('../study/sqlite.js');
  const { progressDisplay } = await import('./progress.js');
  const spec = define(study);
  const shard = parseShard(flags.shard);
  if (shard !== undefined && flags.cluster !== undefined)
    throw new OptionRangeError('shard', 'left out together with --cluster', flags.shard);
  if (flags.dryRun === true) {
    const { forecastText } = await import('./forecast.js');
    const threads = flags.threads === undefined ? undefined : Number(flags.threads);
    const signal = interruption();
    try {
      process.stdout.write(`${await forecastText(spec, { threads, shard, signal })}\n`);
    } catch (error) {
      if (!signal.aborted) throw error;
      process.stderr.write('prompt-attention: interrupted\n');
      process.exitCode = ExitCode.interrupted;
    }
    return;
  }
  const part = shard === undefined ? '' : `.shard-${shard.index}-of-${shard.count}`;
  const out = flags.out ?? `${spec.name}${part}.sqlite`;
  const figure = await planFigure(flags.figure, `${out.slice(0, out.length - extname(out).length)}.svg`, [out, study]);
  if (flags.open === true && flags.detach === true)
    throw new OptionTypeError('open', 'left out together with --detach', flags.open);
  const signal = interruption();
  const display = await progressDisplay(flags.progress);
  const onProgress = display.update;
  let page: PageServer | undefined;
  const open = async (watched: WatchedStudy) => {
    if (flags.open !== true) return;
    const { serveStudies } = await import('../explore/studies.js');
    page = await serveStudies([watched], 0);
    process.stderr.write(`page: ${page.url}\n`);
  };
  /** The page stays for as long as somebody wants to look at it. */
  const stay = async () => {
    if (page === undefined || signal.aborted) return;
    process.stderr.write('The study is finished. The page stays; Ctrl-C ends it.\n');
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  };
  try {
    if (flags.cluster === undefined) {
      const threads = flags.threads === undefined ? undefined : Number(flags.threads);
      if (flags.open === true) await open((await import('../explore/studies.js')).studyOfFile(out));
      const result = await run(spec, { out, signal, shard, threads, onProgress });
      display.stop();
      await showResults(result, figure);
      await stay();
      return;
    }
    const { collect, submit } = await import('../cluster/index.js');
    const url = flags.cluster;
    const expireSeconds = flags.expire === undefined ? undefined : Number(flags.expire);
    const { mixedEngines } = flags;
    const { jobs, id } = await submit(spec, { url, expireSeconds, mixedEngines });
    if (flags.detach === true) {
      process.stdout.write(
        `study ${spec.name} (${id}): ${jobs} jobs wait; the same command without --detach collects it\n`,
      );
      return;
    }
    if (flags.open === true) await open((await import('./cluster/cluster-study.js')).studyOfCluster(url, id));
    const result = await collect(spec, { url, out, mixedEngines, signal, onProgress });
    display.stop();
    await showResults(result, figure);
    await stay();
  } catch (error) {
    display.stop();
    if (!signal.aborted) throw error;
    const kept =
      flags.cluster === undefined
        ? `finished trials are kept in ${out}, the same command continues the study`
        : 'the workers go on, the same command collects the study';
    process.stderr.write(`prompt-attention: interrupted; ${kept}\n`);
    for (const warning of pendingWarning(out)) process.stderr.write(`warning: ${warning}\n`);
    process.exitCode = ExitCode.interrupted;
  } finally {
    await page?.close();
  }
}

/** `prompt-attention run STUDY`. */
export function runCommand(): Command {
  return new Command('run')
    .description('run a study, or what is left of it; print its table and draw its figure')
    .argument('<study>', 'study file (YAML or JSON)')
    .option('--out <file>', 'result file, continued if it exists (default: <name>.sqlite)')
    .option('--figure <file>', 'figure, SVG or PNG by its ending (default: the result file with the extension .svg)')
    .option('--threads <number>', 'threads to use (default: all)')
    .option('--shard <i/n>', 'run only the i-th of n parts of the cells; merge joins the result files')
    .option('--cluster <url>', 'postgres://… of a database whose workers run the study; waits and collects the results')
    .option('--dry-run', 'only print what the study takes: cells, trials, time, size, and which cells have no law')
    .option('--open', 'serve a page to this machine that shows the study while it runs, and after until Ctrl-C')
    .option('--detach', 'with --cluster: only submit the study')
    .option(
      '--mixed-engines',
      'with --cluster: let workers of different engines compute it, whose results agree up to rounding only',
    )
    .option(
      '--expire <seconds>',
      'with --cluster: when a job of a worker that died is given to another one (default: 300)',
    )
    .addOption(
      new Option('--progress <kind>', 'how to show progress (default: bar on a terminal, else lines)').choices(
        kProgressKinds,
      ),
    )
    .action(runStudy);
}
