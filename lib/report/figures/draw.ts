import type { TopLevelSpec } from 'vega-lite';
import { optionLabel } from '../labels.js';
import { horizontalAxis } from './axes.js';
import type { ScaleName } from './dodge.js';
import { curveLayers, type DrawnPoint, kNumberText, placed, type VerticalQuantity } from './layers.js';
import { seriesChannels } from './series.js';
import { capital, isLogarithmic, kConfig, kFrame, titleOf } from './style.js';

/** Values that span more than this ratio are drawn on a logarithmic axis. */
const kLogarithmicRatio = 30;
/** A linear axis from 0 ends above its highest value by this factor or more. */
const kHeadroom = 1.05;

/** Curves, and what is written beside them. */
export interface CurvesContent {
  readonly points: readonly DrawnPoint[];
  /** Name of what is along the horizontal axis. */
  readonly horizontal: string | undefined;
  readonly vertical: VerticalQuantity;
  /** Scales of the axes; by default those that suit the values. */
  readonly scale?: { readonly x?: ScaleName | undefined; readonly y?: ScaleName | undefined } | undefined;
  /** Titles of the legends of colours and of shapes. */
  readonly titles: readonly [string, string];
  /** Whether colours are in the order of what they stand for. */
  readonly isOrdered: boolean;
  /** Title of the figure; by default what is against what. */
  readonly title?: string | undefined;
  readonly study: string;
  /** What is not drawn, as a sentence. */
  readonly omitted: string;
  readonly panelTitle: string;
  /** What the points are. */
  readonly pointsAre: string;
  /** Whether points are connected; by default where there is no law. */
  readonly isConnected?: boolean | undefined;
}

function verticalAxis(
  quantity: VerticalQuantity,
  values: readonly number[],
  highest: number,
  wanted: ScaleName | undefined,
) {
  const suits = quantity.mayBeLogarithmic && isLogarithmic(values, kLogarithmicRatio);
  if (wanted === 'log' || (wanted === undefined && suits)) {
    // Room for markers and intervals beyond the outermost values of a logarithmic axis.
    const lowest = Math.min(...values) / 1.4;
    const top = Math.min(quantity.limits[1], Math.max(...values) * 1.4);
    return {
      lowest,
      axis: { title: `${quantity.label} (logarithmic scale)`, format: '~g' },
      scale: { type: 'log' as const, nice: false, domain: [lowest, top] },
    };
  }
  if (wanted === 'symlog')
    return {
      lowest: Number.NEGATIVE_INFINITY,
      axis: { title: `${quantity.label} (logarithmic scale)`, format: '~g' },
      scale: { type: 'symlog' as const, nice: true },
    };
  return {
    lowest: Number.NEGATIVE_INFINITY,
    axis: { title: quantity.label, tickCount: 6, labelExpr: kNumberText },
    // The highest line does not lie on the frame.
    scale: {
      type: 'linear' as const,
      zero: true,
      nice: true,
      ...(highest > 0 ? { domainMax: kHeadroom * highest } : {}),
    },
  };
}

/** Columns that panels fill without an empty place, if two or three can. */
const panelColumns = (count: number) => (count % 3 === 0 ? 3 : Math.min(count, 2));

/** Vega-Lite specification of curves: points with intervals, laws as lines, one panel for each text that points have as theirs. */
export function curvesFigure(content: CurvesContent): TopLevelSpec {
  const { points, horizontal, vertical, titles, isOrdered, study, omitted, panelTitle, pointsAre } = content;
  const panels = [...new Set(points.map(({ panel }) => panel))];
  const columns = panelColumns(panels.length);
  const x = horizontalAxis(horizontal, [...new Set(points.map((point) => point.x))], content.scale?.x);
  // Small panels have no room for more.
  if (columns === 3) x.axis.title = x.axis.title.replace('logarithmic scale', 'log scale');
  const hasTheory = points.some(({ theory }) => theory !== null);
  const hasTrials = points.some(({ value }) => value !== null);
  const hasMarked = points.some(({ value, marked }) => value !== null && marked);
  const shown = points.flatMap(({ value, theory }) => [value, theory].filter((number) => number !== null));
  const highest = Math.max(0, ...shown, ...points.map(({ high }) => high ?? 0));
  const { axis, scale, lowest } = verticalAxis(vertical, shown, highest, content.scale?.y);
  const y = (field: string) => ({ field, type: 'quantitative' as const, axis, scale });
  const isOne = panelTitle === '';
  const size = isOne ? { width: 640, height: 380 } : { width: columns === 3 ? 230 : 320, height: 230 };
  const values = placed(points, x, scale.type, size, scale.type === 'linear' ? [0] : []).map((point) => ({
    ...point,
    low: point.low && Math.max(point.low, lowest),
  }));
  const isNumeric = x.type === 'quantitative';
  const isConnected = isNumeric && hasTrials && (content.isConnected ?? !hasTheory);
  const channels = seriesChannels(points, titles, isOrdered);
  const layer = curveLayers(x, y, channels, { hasTheory, hasTrials, hasMarked, isConnected });
  const isDodged = isNumeric && values.some((point) => point.x !== point.place);
  const legendOfMarks = [
    ...(hasTrials ? [`points${isConnected ? ', connected' : ''}: ${pointsAre}`] : []),
    ...(isDodged ? ['side by side where they coincide'] : []),
    ...(hasMarked ? ['hollow points: not reliable, see the table'] : []),
    ...(hasTheory ? [`${isNumeric ? 'lines' : 'ticks'}: theory`] : []),
  ].join('; ');
  const subtitle = [legendOfMarks, omitted].filter((text) => text !== '').join('. ');
  const against = horizontal === undefined ? '' : ` against ${optionLabel(horizontal).words}`;
  const title = content.title ?? `${capital(vertical.label)}${against}`;
  const common = { ...kFrame, title: titleOf(title, study, subtitle), data: { values }, config: kConfig };
  if (isOne) return { ...common, ...size, layer } as TopLevelSpec;
  const config = columns === 3 ? { ...kConfig, legend: { ...kConfig.legend, orient: 'bottom' } } : kConfig;
  return {
    ...common,
    config,
    facet: { field: 'panel', type: 'nominal', sort: panels, header: { title: panelTitle } },
    columns,
    spec: { ...size, layer },
  } as TopLevelSpec;
}
