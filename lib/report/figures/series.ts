import type { StudyRow } from '../../study/rows.js';
import { levelsText, optionLabel } from '../labels.js';
import { isNumeric, levelCount } from './layout.js';
import { cycled, kColors, kDashes, kShapes, sequential } from './style.js';

/** From so many levels on, a numeric factor has colours in an order. */
const kLeastOrdered = 5;

/** The factors that colours stand for, and those that shapes and dashes stand for. */
export interface SeriesFactors {
  readonly color: readonly string[];
  readonly shape: readonly string[];
  /** Whether the colours are in the order of the levels. */
  readonly isOrdered: boolean;
}

/** Which series a point belongs to. */
export interface SeriesPlace {
  readonly series: string;
  readonly color: string;
  readonly shape: string;
}

/**
 * Two factors have two channels: the one with more levels has colours, the other one shapes and dashes. One factor, and three or more,
 * have both.
 *
 * @param horizontal Factor along the axis: along steps, levels of a number are in an order.
 */
export function seriesFactors(
  rows: readonly StudyRow[],
  paths: readonly string[],
  horizontal: string | undefined,
): SeriesFactors {
  const [first, second] = paths;
  const isTwo = paths.length === 2 && first !== undefined && second !== undefined;
  const swap = isTwo && levelCount(rows, second) > levelCount(rows, first);
  const color = isTwo ? [swap ? second : first] : paths;
  const shape = isTwo ? [swap ? first : second] : paths;
  const [one] = color;
  const isOrdered =
    color.length === 1 &&
    one !== undefined &&
    isNumeric(rows, one) &&
    (levelCount(rows, one) >= kLeastOrdered || (horizontal === 'steps' && levelCount(rows, one) > 2));
  return { color, shape, isOrdered };
}

/** Where a row belongs. */
export function seriesPlace(factors: StudyRow['factors'], { color, shape }: SeriesFactors): SeriesPlace {
  const [first, second] = [levelsText(factors, color), levelsText(factors, shape)];
  return { series: first === second ? first : `${first}, ${second}`, color: first, shape: second };
}

const distinct = (values: readonly string[]) => [...new Set(values)];

/**
 * Colour, shape and dash of the series of some points, with a legend for colours and shapes, which is one where they stand for the same.
 *
 * @param titles Titles of the legends of colours and shapes.
 */
export function seriesChannels(points: readonly SeriesPlace[], titles: readonly [string, string], isOrdered: boolean) {
  const [colors, shapes] = [distinct(points.map(({ color }) => color)), distinct(points.map(({ shape }) => shape))];
  const isOne = points.every(({ color, shape }) => color === shape);
  const channel = (field: string, names: readonly string[], range: readonly string[], title: string) => ({
    field,
    type: 'nominal' as const,
    scale: { domain: [...names], range: cycled(names, range) },
    legend: names.length > 1 ? { title } : null,
  });
  const [solid = [], ...dashes] = cycled(shapes, kDashes).map((dash) => [...dash]);
  const strokeDash = {
    condition: dashes.map((value, i) => ({ test: `datum.shape === ${JSON.stringify(shapes[i + 1])}`, value })),
    value: solid,
  };
  return {
    color: channel('color', colors, isOrdered ? sequential(colors.length) : kColors, titles[0]),
    shape: channel(isOne ? 'color' : 'shape', shapes, kShapes, isOne ? titles[0] : titles[1]),
    strokeDash,
    detail: { field: 'series', type: 'nominal' as const },
  };
}

/** The words of some factors, for the title of a legend. */
export const factorsTitle = (paths: readonly string[]) => paths.map((path) => optionLabel(path).words).join(', ');
