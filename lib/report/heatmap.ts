import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../study/rows.js';
import { levelsText, optionLabel } from './labels.js';
import { independentFactors, isNumeric, levelCount } from './layout.js';
import { isLogarithmic, kConfig, kFrame, kHeatScheme, titleOf } from './style.js';

/** A factor needs this many levels to be an axis of a map. */
const kLeastLevels = 4;
const kMostPanels = 6;
/** Up to so many levels each get a tick of their own. */
const kMostTicks = 10;

/** A level that went through a logarithm and back. */
const rounded = (level: number) => Number(level.toPrecision(12));

/** The two factors that a map of the rows has as its axes; undefined if it would be no map. */
export function mapAxes(rows: readonly StudyRow[]): readonly [string, string] | undefined {
  const [x, y] = independentFactors(rows)
    .filter((path) => isNumeric(rows, path) && levelCount(rows, path) >= kLeastLevels)
    .sort((a, b) => levelCount(rows, b) - levelCount(rows, a));
  return x === undefined || y === undefined ? undefined : [x, y];
}

/** The bounds of the tile around each level: halfway to its neighbours, on the scale of the axis. */
function tiles(levels: readonly number[], logarithmic: boolean): ReadonlyMap<number, readonly [number, number]> {
  const [on, off] = logarithmic ? [Math.log, Math.exp] : [(x: number) => x, (x: number) => x];
  const sorted = [...levels].sort((a, b) => a - b).map(on);
  const middle = (i: number) => ((sorted[i] as number) + (sorted[i + 1] as number)) / 2;
  const last = sorted.length - 1;
  return new Map(
    sorted.map((value, i) => {
      const low = i > 0 ? middle(i - 1) : 2 * value - middle(0);
      const high = i < last ? middle(i) : 2 * value - middle(last - 1);
      return [off(value), [off(low), off(high)]] as const;
    }),
  );
}

/** The tile of a level: the one nearest to it, since logarithms round. */
function tileOf(map: ReadonlyMap<number, readonly [number, number]>, level: number): readonly [number, number] {
  for (const [low, high] of map.values()) if (level >= low && level <= high) return [low, high];
  return [level, level];
}

/**
 * A phase diagram: the test error over two numeric factors as a map of tiles, simulation and theory side by side where there are
 * both.
 *
 * @param axes From {@link mapAxes}.
 */
export function heatmapSpec(rows: readonly StudyRow[], axes: readonly [string, string]): TopLevelSpec {
  const others = independentFactors(rows).filter((path) => !axes.includes(path));
  const [xs, ys] = axes.map((path) => {
    const levels = [...new Set(rows.map(({ factors }) => factors[path] as number))];
    const logarithmic = isLogarithmic(levels, 4);
    return { path, logarithmic, map: tiles(levels, logarithmic) };
  }) as [Axis, Axis];
  const all = rows.flatMap((row) => {
    const [left, right] = tileOf(xs.map, row.factors[xs.path] as number);
    const [bottom, top] = tileOf(ys.map, row.factors[ys.path] as number);
    const place = levelsText(row.factors, others);
    const tile = { left, right, bottom, top };
    const panel = (kind: string) => [place, kind].filter((text) => text !== '').join(': ');
    return [
      ...(Number.isNaN(row.meanError) ? [] : [{ ...tile, value: row.meanError, panel: panel('simulation') }]),
      ...(row.theory === null || Number.isNaN(row.theory)
        ? []
        : [{ ...tile, value: row.theory, panel: panel('theory') }]),
    ];
  });
  const panels = [...new Set(all.map(({ panel }) => panel))].slice(0, kMostPanels);
  const values = all.filter(({ panel }) => panels.includes(panel));
  const errors = values.map(({ value }) => value);
  const encode = ({ path, logarithmic, map }: Axis, field: string) => {
    const { symbol, words } = optionLabel(path);
    const bounds = [...map.values()].flat();
    return {
      field,
      type: 'quantitative',
      scale: {
        ...(logarithmic ? { type: 'log' } : { type: 'linear', zero: false }),
        nice: false,
        domain: [Math.min(...bounds), Math.max(...bounds)],
      },
      axis: {
        title: `${symbol === words ? words : `${words} ${symbol}`}${logarithmic ? ' (logarithmic scale)' : ''}`,
        grid: false,
        ...(map.size <= kMostTicks
          ? { values: [...map.keys()].map(rounded), labelExpr: 'datum.value' }
          : { tickCount: 6 }),
      },
    };
  };
  const logarithmicColor = isLogarithmic(errors, 30);
  const legend = { title: `test error${logarithmicColor ? ' (logarithmic)' : ''}`, gradientLength: 220 };
  const scale = { type: logarithmicColor ? 'log' : 'linear', scheme: kHeatScheme, nice: false };
  return {
    ...kFrame,
    title: titleOf(rows[0]?.study ?? '', 'test error over two factors'),
    data: { values },
    facet: { field: 'panel', type: 'nominal', sort: panels, header: { title: null } },
    columns: Math.min(2, panels.length),
    spec: {
      width: 260,
      height: 240,
      mark: { type: 'rect' },
      encoding: {
        x: encode(xs, 'left'),
        x2: { field: 'right' },
        y: encode(ys, 'bottom'),
        y2: { field: 'top' },
        color: {
          field: 'value',
          type: 'quantitative',
          scale,
          legend,
        },
      },
    },
    config: kConfig,
  } as unknown as TopLevelSpec;
}

interface Axis {
  readonly path: string;
  readonly logarithmic: boolean;
  readonly map: ReadonlyMap<number, readonly [number, number]>;
}
