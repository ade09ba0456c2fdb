import type { TopLevelSpec } from 'vega-lite';
import { StudyError } from '../../base/errors.js';
import { parseOptions } from '../../base/options.js';
import { StudyCells } from '../../study/cells.js';
import type { StudyResult } from '../../study/rows.js';
import type { ResolvedTextExperiment } from '../../text/experiments/schemas.js';
import type { ResolvedCorpusSource } from '../../text/source.js';
import { renderSvg } from '../figures/render.js';
import { type Placed, panelsSpec, pointOf, type Strip, studyResult } from './panels.js';

function sourceText(source: ResolvedCorpusSource): string {
  if (source.kind !== 'spam-assassin') return source.path.replace(/^.*[/\\]/, '');
  return source.parts?.join(', ') ?? 'SpamAssassin';
}

function panelText(experiment: ResolvedTextExperiment): string {
  if (experiment.kind === 'text-dilution') return `ζ = ${Number((1 / (experiment.unrelated + 1)).toPrecision(2))}`;
  const { data, test } = experiment;
  return test === undefined ? sourceText(data) : `${sourceText(data)} → ${sourceText(test)}`;
}

function seriesText({ model, prompts }: ResolvedTextExperiment): string {
  return model === 'prompt-tuned-layer' ? `${model}, m = ${prompts}` : model;
}

function strip(title: string, metric: string, placed: readonly Placed[]): Strip {
  const points = placed.flatMap((entry) => {
    const { mean, standardError } = entry.row.metrics[metric] ?? {};
    return mean === undefined || standardError === undefined ? [] : pointOf(entry, mean, standardError);
  });
  return { title, points, lines: points, logarithmic: false };
}

function textFigureSpec({ rows, spec }: Pick<StudyResult, 'rows' | 'spec'>): TopLevelSpec {
  const cells = StudyCells.of(spec);
  const kinds = new Set<string>();
  const placed = rows.map((row): Placed => {
    const { experiment } = cells.at(row.index);
    if (experiment.kind !== 'text-classification' && experiment.kind !== 'text-dilution')
      throw new StudyError(`${spec.name}: a study of ${experiment.kind}, not of experiments on text`);
    kinds.add(experiment.kind);
    return { row, examples: experiment.examples, panel: panelText(experiment), series: seriesText(experiment) };
  });
  if (placed.length === 0) throw new StudyError(`${spec.name}: has no results yet`);
  const accuracy = placed.map((entry) => pointOf(entry, 1 - entry.row.meanError, entry.row.standardError));
  // The weights of linear attention are no distribution.
  const withAttention = placed.filter(({ series }) => series !== 'linear-attention');
  const strips = [
    { title: 'test accuracy', points: accuracy, lines: accuracy, logarithmic: false },
    kinds.has('text-dilution')
      ? strip('attention on relevant tokens', 'relevantAttention', withAttention)
      : strip('area under the ROC curve', 'rocAuc', placed),
  ];
  return panelsSpec(spec.name, strips, placed);
}

/**
 * The figure of a study of experiments on text as an SVG document: a panel per share of relevant tokens or corpus, a line per model, over the number
 * of training examples, with 95 % intervals.
 *
 * @param result What {@link study.run} or {@link study.open} returned.
 * @throws {@link OptionTypeError} if it is no such thing; {@link StudyError} if the study is of another kind, or has no rows.
 */
export async function textFigure(result: Pick<StudyResult, 'rows' | 'spec'>): Promise<string> {
  parseOptions(studyResult, result, 'result');
  return renderSvg(textFigureSpec(result));
}
