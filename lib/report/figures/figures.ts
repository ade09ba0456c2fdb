import type { TopLevelSpec } from 'vega-lite';
import { metricEntry } from '../../base/metrics.js';
import { kindOf } from '../../simulation/kinds.js';
import { metricNames, StudyCells } from '../../study/cells.js';
import type { PairedDifference } from '../../study/compare.js';
import type { StudyResult, StudyRow } from '../../study/rows.js';
import { agreementText } from '../agreement.js';
import { metricLabel } from '../labels.js';
import type { FigureText } from '../page.js';
import { curvesSpec, kTestError, metricQuantity } from './curves.js';
import { differencesSpec } from './differences.js';
import { heatmapSpec, mapAxes } from './heatmap.js';
import { zScoresSpec } from './histogram.js';
import { metricsSpec, pathsSpec, rowsByPanel } from './panels.js';

/** A figure of a report. */
export interface ReportFigure extends FigureText {
  readonly spec: TopLevelSpec;
}

/** A histogram of fewer z-scores shows nothing. */
const kLeastScores = 5;
const kOverlapsCaption = 'What the trained parameters have in common with the directions of the mixture.';

/** The figures that the results of a study allow. */
export function reportFigures(
  { rows, spec, agreement }: Pick<StudyResult, 'rows' | 'spec' | 'agreement'>,
  differences: readonly PairedDifference[],
  contours?: readonly number[],
): readonly ReportFigure[] {
  const figures: ReportFigure[] = [];
  if (rows.length === 0) return figures;
  figures.push({
    name: 'error',
    title: 'Test error',
    caption: 'Mean test error over trials, with the error that the law of the experiment predicts where there is one.',
    spec: curvesSpec(rows, kTestError),
  });
  const axes = mapAxes(rows);
  if (axes !== undefined)
    figures.push({
      name: 'phase-diagram',
      title: 'Phase diagram',
      caption:
        'Test error over two factors; dark is low. Along a line the test error is the one that is written on it.',
      spec: heatmapSpec(rows, axes, contours),
    });
  if (differences.length > 0)
    figures.push({
      name: 'differences',
      title: 'Paired differences',
      caption:
        'Difference of test errors between methods, from pairs of trials that share their index and, where marked in the table below, ' +
        'their random numbers. An interval that does not cross the dashed line tells the two methods apart.',
      spec: differencesSpec(spec.name, differences),
    });
  const present = new Set(rows.flatMap((row) => Object.keys(row.metrics)));
  const cells = StudyCells.of(spec);
  const stepsOf = (row: StudyRow) => {
    const { experiment } = cells.at(row.index);
    return kindOf(experiment).recordedSteps(experiment);
  };
  const metrics = metricNames(cells).filter((name) => present.has(name));
  const drawn = new Set<string>();
  const addMetrics = (name: string, title: string, names: readonly string[], caption: string) => {
    for (const [i, { text, rows: own }] of rowsByPanel(rows).entries())
      figures.push({
        name: i === 0 ? name : `${name}-${i + 1}`,
        title: text === '' ? title : `${title}: ${text}`,
        caption,
        spec: metricsSpec(own, names, text === '' ? title : `${title}: ${text}`),
      });
  };
  if (metrics.includes('relevantAttention')) {
    drawn.add('relevantAttention');
    figures.push({
      name: 'attention',
      title: 'Attention mass',
      caption: 'Mean attention mass on the relevant tokens of a test example.',
      spec: curvesSpec(rows, metricQuantity('relevantAttention', metricLabel('relevantAttention'))),
    });
  }
  const overlaps = metrics.filter((name) => metricEntry(name)?.isOverlap === true);
  if (overlaps.length > 0) {
    for (const name of overlaps) drawn.add(name);
    addMetrics('overlaps', 'Overlaps of the trajectory', overlaps, kOverlapsCaption);
  }
  const others = metrics.filter((name) => !drawn.has(name));
  if (others.length > 0) addMetrics('metrics', 'Other metrics', others, 'Means over trials.');
  const withPaths = rows.filter((row) => Object.keys(row.paths).length > 0);
  if (withPaths.length > 0)
    figures.push({
      name: 'paths',
      title: 'Along the steps',
      caption: 'Metrics of a trial step by step.',
      spec: pathsSpec(
        withPaths,
        [...new Set(withPaths.flatMap((row) => Object.keys(row.paths)))],
        'Metrics along the steps',
        stepsOf,
      ),
    });
  const scores = rows.flatMap(({ z, reliable }) => (z !== null && reliable ? z : []));
  if (scores.length >= kLeastScores && agreement !== null)
    figures.push({
      name: 'z-scores',
      title: 'Agreement with theory',
      caption: `If simulation and theory agree, about 95 % of the z-scores lie between −2 and 2. Here, ${agreementText(agreement)}.`,
      spec: zScoresSpec(spec.name, scores),
    });
  return figures;
}
