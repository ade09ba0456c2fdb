/** Okabe and Ito's palette, which colour-blind people can tell apart, without yellow, which is too light for thin lines on white. */
export const kColors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#000000', '#E69F00', '#56B4E9'];
/** Colours are never alone: each series has a shape of its own too. */
export const kShapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
  'triangle-left',
];
/** Of the lines of series: where lines lie on each other, the gaps of the upper one show the lower one. */
export const kDashes: readonly (readonly number[])[] = [
  [1, 0],
  [8, 4],
  [3, 3],
  [12, 4, 3, 4],
  [6, 2],
  [2, 5],
  [14, 6],
];
/** A scale of even steps in lightness, from dark blue to yellow, the same for colour-blind people and in grey print. */
export const kHeatScheme = 'cividis';
const kFont = 'Helvetica, Arial, sans-serif';

/** What all figures have in common. */
export const kFrame = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 12,
} as const;

export const kConfig = {
  font: kFont,
  title: { fontSize: 15, fontWeight: 'bold', subtitleFontSize: 12, subtitlePadding: 5 },
  axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', titlePadding: 10, gridColor: '#e6e6e6' },
  axisX: { grid: false, labelOverlap: true },
  header: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', labelFontWeight: 'bold' },
  legend: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    symbolSize: 80,
    rowPadding: 4,
    // Nothing is cut off: the end of a label may be what tells it from another one.
    labelLimit: 0,
    titleLimit: 0,
  },
  view: { stroke: '#888888' },
} as const;

/** Title and subtitle of a figure, at its left. */
export function titleOf(text: string, subtitle: string) {
  return { text, subtitle, anchor: 'start' as const, offset: 12 };
}

/** One entry of a list per series, from the beginning again when it is at its end. */
export function cycled<Value>(series: readonly unknown[], values: readonly Value[]): Value[] {
  return series.map((_, index) => values[index % values.length] as Value);
}

/** Whether numbers are better drawn on a logarithmic axis: all positive, and their ratio at least `ratio`. */
export function isLogarithmic(values: readonly number[], ratio: number): boolean {
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= ratio;
}
