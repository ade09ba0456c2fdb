import type { TopLevelSpec } from 'vega-lite';
import { StudyError } from '../../base/errors.js';
import { parseOptions } from '../../base/options.js';
import type { ResolvedImageExperiment } from '../../images/experiments/kinds.js';
import type { ResolvedImageTask } from '../../images/task.js';
import { StudyCells } from '../../study/cells.js';
import type { StudyResult } from '../../study/rows.js';
import { renderSvg } from '../figures/render.js';
import { type Placed, panelsSpec, pointOf, type Strip, studyResult } from './panels.js';

/** ζ as the reader knows it, and for canvases what they are. */
function taskText(task: ResolvedImageTask): string {
  const zeta = (value: number) => `ζ = ${Number(value.toPrecision(2))}`;
  if (task.kind === 'bag') return zeta(task.relevantTokens / task.tokens);
  if (task.kind === 'partial-tiled') return `partial-tiled, ${zeta(task.relevantTiles / task.tiles ** 2)}`;
  if (task.kind === 'embedded')
    return `embedded, ${zeta(1 / task.tiles ** 2)}, ${task.stride === 1 ? 'any place' : `places of stride ${task.stride}`}`;
  return task.kind;
}

function seriesText(experiment: ResolvedImageExperiment, paths: readonly string[]): string {
  if (experiment.kind === 'image-bag') return experiment.model;
  if (experiment.kind === 'image-risk') return `law, ${experiment.plugIn ?? 'default'} plug-in`;
  return paths.includes('prompts') ? `m = ${String(experiment.prompts).padStart(2, '\u2007')}` : experiment.method;
}

interface Located extends Placed {
  readonly experiment: ResolvedImageExperiment;
}

function strips(located: readonly Located[]): readonly Strip[] {
  const kind = (located[0] as Located).experiment.kind;
  if (kind === 'image-risk') {
    // The heads are the same for all plug-ins: they are drawn once.
    const first = (located[0] as Located).series;
    const measured = located
      .filter(({ series }) => series === first)
      .map((entry) => pointOf({ ...entry, series: 'measured' }, entry.row.meanError, entry.row.standardError));
    const lines = located
      .filter(({ row }) => row.theory !== null && !Number.isNaN(row.theory))
      .map((entry) => pointOf(entry, entry.row.theory as number, 0));
    return [{ title: 'test error', points: measured, lines, logarithmic: true }];
  }
  const accuracy = located.map((entry) => pointOf(entry, 1 - entry.row.meanError, entry.row.standardError));
  const attention = located
    // The weights of linear attention are no distribution.
    .filter(({ series }) => series !== 'linear-attention')
    .map((entry) => {
      const { mean = Number.NaN, standardError = Number.NaN } = entry.row.metrics.relevantAttention ?? {};
      return pointOf(entry, mean, standardError);
    });
  return [
    { title: 'test accuracy', points: accuracy, lines: accuracy, logarithmic: false },
    { title: 'attention on relevant tokens', points: attention, lines: attention, logarithmic: false },
  ];
}

/** Vega-Lite specification of the figure: see {@link imageFigure}. */
function imageFigureSpec({ rows, spec }: Pick<StudyResult, 'rows' | 'spec'>): TopLevelSpec {
  const cells = StudyCells.of(spec);
  const located = rows.map((row): Located => {
    const { experiment } = cells.at(row.index);
    if (experiment.kind !== 'image-bag' && experiment.kind !== 'image-transfer' && experiment.kind !== 'image-risk')
      throw new StudyError(`${spec.name}: a study of ${experiment.kind}, not of experiments on images`);
    return {
      row,
      experiment,
      examples: experiment.examples,
      panel: taskText(experiment.task),
      series: seriesText(experiment, cells.paths),
    };
  });
  if (located.length === 0) throw new StudyError(`${spec.name}: has no results yet`);
  return panelsSpec(spec.name, strips(located), located);
}

/**
 * The figure of a study of experiments on images as an SVG document: a panel per task, a line per model, method, number of prompts
 * or plug-in, over the number of training examples, with 95 % intervals.
 *
 * @param result What {@link study.run} or {@link study.open} returned.
 * @throws {@link OptionTypeError} if it is no such thing; {@link StudyError} if the study is of another kind, or has no rows.
 */
export async function imageFigure(result: Pick<StudyResult, 'rows' | 'spec'>): Promise<string> {
  parseOptions(studyResult, result, 'result');
  return renderSvg(imageFigureSpec(result));
}
