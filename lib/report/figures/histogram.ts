import type { TopLevelSpec } from 'vega-lite';
import { kColors, kConfig, kFrame, titleOf } from './style.js';

const kBinWidth = 0.5;
/** Values further out are counted in the outermost bins. */
const kOutermost = 6;

/**
 * How the z-scores of the cells are distributed, with the standard normal density that they would follow if simulation and theory
 * agreed.
 *
 * @param scores At least one.
 */
export function zScoresSpec(study: string, scores: readonly number[]): TopLevelSpec {
  const reach = Math.min(
    kOutermost,
    Math.max(3, Math.ceil(scores.reduce((largest, score) => Math.max(largest, Math.abs(score)), 0))),
  );
  const bins = Array.from({ length: (2 * reach) / kBinWidth }, (_, i) => {
    const left = -reach + i * kBinWidth;
    return { left, right: left + kBinWidth, count: 0 };
  });
  for (const score of scores) {
    const bin = bins[Math.min(bins.length - 1, Math.max(0, Math.floor((score + reach) / kBinWidth)))];
    if (bin !== undefined) bin.count += 1;
  }
  const density = Array.from({ length: 121 }, (_, i) => {
    const x = -reach + (i / 120) * 2 * reach;
    return { x, expected: ((scores.length * kBinWidth) / Math.sqrt(2 * Math.PI)) * Math.exp((-x * x) / 2) };
  });
  const x = { type: 'quantitative', axis: { title: 'z = (simulation − theory) / standard error', tickCount: 9 } };
  const y = { type: 'quantitative', axis: { title: 'cells', tickMinStep: 1 } };
  const beyond = scores.filter((score) => Math.abs(score) > kOutermost).length;
  const note = beyond > 0 ? `. ${beyond} beyond ±${kOutermost} are in the outermost bins` : '';
  return {
    ...kFrame,
    width: 640,
    height: 240,
    title: titleOf(`z-scores of ${scores.length} cells`, study, `bars: cells; line: standard normal${note}`),
    layer: [
      {
        data: { values: bins },
        mark: { type: 'rect', fill: kColors[6], stroke: 'white' },
        encoding: {
          x: { ...x, field: 'left' },
          x2: { field: 'right' },
          y: { ...y, field: 'count' },
          y2: { datum: 0 },
        },
      },
      {
        data: { values: density },
        mark: { type: 'line', stroke: kColors[4], strokeWidth: 1.8 },
        encoding: { x: { ...x, field: 'x' }, y: { ...y, field: 'expected' } },
      },
    ],
    config: kConfig,
  } as unknown as TopLevelSpec;
}
