import { optionLabel } from '../labels.js';
import type { ScaleName } from './dodge.js';
import { isLogarithmic } from './style.js';

/** Up to so many levels each get a tick of their own. */
const kMostTicks = 12;
/** Space between the outermost points and the frame, in pixels. */
const kPadding = 18;
/** An axis of steps from 0 to so many or more is logarithmic. */
const kSymmetricLogarithm = 16;
/** Longer names of levels are written at an angle. */
const kLongLabel = 14;

/** The scale of an axis of numbers: that of steps has a place for 0 and is else logarithmic. */
function horizontalScale(path: string | undefined, numbers: readonly number[]): ScaleName {
  if (isLogarithmic(numbers, 4)) return 'log';
  return path === 'steps' && Math.min(...numbers) === 0 && Math.max(...numbers) >= kSymmetricLogarithm
    ? 'symlog'
    : 'linear';
}

/**
 * The horizontal axis for the levels of a factor.
 *
 * @param wanted Its scale; by default the one that suits the levels.
 */
export function horizontalAxis(
  path: string | undefined,
  values: readonly (number | string)[],
  wanted?: ScaleName | undefined,
) {
  const numbers = values.filter((value) => typeof value === 'number');
  const { symbol, words } = optionLabel(path ?? 'study');
  const title = symbol === words ? words : `${words} ${symbol}`;
  if (numbers.length < values.length) {
    const isLong = values.length > 2 && values.some((value) => String(value).length > kLongLabel);
    return {
      field: 'x',
      type: 'nominal' as const,
      sort: null,
      scale: { type: 'band' as const, padding: 0.2 },
      axis: { title, labelAngle: isLong ? -60 : 0, labelLimit: 0, labelOverlap: !isLong },
    };
  }
  const type = wanted ?? horizontalScale(path, numbers);
  return {
    field: 'x',
    type: 'quantitative' as const,
    scale: { type, ...(type === 'log' ? {} : { zero: false }), nice: false, padding: kPadding },
    axis: {
      title: type === 'linear' ? title : `${title} (logarithmic scale)`,
      ...(numbers.length <= kMostTicks ? { values: numbers, labelExpr: 'datum.value' } : {}),
    },
  };
}

/** What {@link horizontalAxis} makes. */
export type HorizontalAxis = ReturnType<typeof horizontalAxis>;
