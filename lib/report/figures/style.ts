/** Okabe and Ito's palette, which colour-blind people can tell apart, without yellow, which is too light for thin lines on white. */
export const kColors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#000000', '#E69F00', '#56B4E9'];
/** Viridis without its lightest colours, dark to light: for levels in an order. */
const kOrderedColors = ['#440154', '#46327e', '#365c8d', '#277f8e', '#1fa187', '#4ac16d', '#9fda3a'];

/** As many colours in an order as there are levels. */
export function sequential(count: number): readonly string[] {
  const step = (kOrderedColors.length - 1) / Math.max(1, count - 1);
  return Array.from(
    { length: count },
    (_, i) => kOrderedColors[Math.round(i * step) % kOrderedColors.length] as string,
  );
}

/** What the colours of a figure become on a dark page: its ground and text, and colours that are too dark there. */
export const kDarkColors: Readonly<Record<string, string>> = {
  white: '#15191e',
  black: '#e6edf3',
  '#000': '#e6edf3',
  '#e6e6e6': '#2d333b',
  '#888888': '#7d8590',
  '#888': '#7d8590',
  '#ddd': '#2d333b',
  '#0072B2': '#4aa3e0',
  '#D55E00': '#ff8f40',
  '#009E73': '#2cc295',
  '#CC79A7': '#e3a0c5',
  '#000000': '#e6edf3',
  '#440154': '#fde725',
  '#46327e': '#b5de2b',
  '#365c8d': '#6ece58',
  '#277f8e': '#35b779',
  '#4ac16d': '#26a0a0',
  '#9fda3a': '#5b8fd0',
};
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

/** A text with a capital at its beginning. */
export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Characters of a line of a subtitle, whose width is estimated generously where there is no browser. */
const kLine = 80;

/** Text in lines of at most about as many characters, broken between words, or where `breaks` says. */
export function wrapped(text: string, characters: number, breaks: string | RegExp = ' '): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(breaks)) {
    if (line !== '' && line.length + 1 + word.length > characters) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Title of a figure, which says what is seen, and below it the study and how to read it, at its left. */
export function titleOf(text: string, study: string, subtitle: string) {
  const lines = wrapped([study, subtitle].filter((part) => part !== '').join(' · '), kLine, /(?<=[;.]) /);
  return { text, subtitle: [...lines], anchor: 'start' as const, offset: 12 };
}

/** One entry of a list per series, from the beginning again when it is at its end. */
export function cycled<Value>(series: readonly unknown[], values: readonly Value[]): Value[] {
  return series.map((_, index) => values[index % values.length] as Value);
}

/** Whether numbers are better drawn on a logarithmic axis: all positive, and their ratio at least `ratio`. */
export function isLogarithmic(values: readonly number[], ratio: number): boolean {
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= ratio;
}
