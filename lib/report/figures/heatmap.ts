import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../../study/rows.js';
import { levelsText, optionLabel } from '../labels.js';
import { type ContourPoint, contourLines, type MapAxis } from './contours.js';
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
 * @param contours Test errors that have a line. Default: some round ones that the map reaches.
 */
export function heatmapSpec(
  rows: readonly StudyRow[],
  axes: readonly [string, string],
  contours?: readonly number[],
): TopLevelSpec {
  const others = independentFactors(rows).filter((path) => !axes.includes(path));
  const [xs, ys] = axes.map((path) => {
    const levels = [...new Set(rows.map(({ factors }) => factors[path] as number))];
    const logarithmic = isLogarithmic(levels, 4);
    return { path, logarithmic, map: tiles(levels, logarithmic) };
  }) as [Axis, Axis];
  const all = rows.flatMap((row) => {
    const [level, other] = [row.factors[xs.path] as number, row.factors[ys.path] as number];
    const [left, right] = tileOf(xs.map, level);
    const [bottom, top] = tileOf(ys.map, other);
    const place = levelsText(row.factors, others);
    const tile = { left, right, bottom, top };
    const panel = (kind: string) => [place, kind].filter((text) => text !== '').join(': ');
    return [
      ...(Number.isNaN(row.meanError)
        ? []
        : [{ ...tile, level, other, value: row.meanError, panel: panel('simulation') }]),
      ...(row.theory === null || Number.isNaN(row.theory)
        ? []
        : [{ ...tile, level, other, value: row.theory, panel: panel('theory') }]),
    ];
  });
  const panels = [...new Set(all.map(({ panel }) => panel))].slice(0, kMostPanels);
  const shown = all.filter(({ panel }) => panels.includes(panel));
  const lines = panels.flatMap((panel) =>
    contoursOf(
      shown.filter((tile) => tile.panel === panel),
      [xs, ys],
      contours,
    ).map((point) => ({ ...point, panel })),
  );
  const values = [...shown.map(({ level, other, ...tile }) => tile), ...lines];
  const errors = shown.map(({ value }) => value);
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
  const legend = {
    title: `test error${logarithmicColor ? ' (logarithmic)' : ''}`,
    orient: 'bottom',
    gradientLength: 240,
  };
  const scale = { type: logarithmicColor ? 'log' : 'linear', scheme: kHeatScheme, nice: false };
  const [x, y] = [encode(xs, 'x'), encode(ys, 'y')];
  const drawn = [...new Set(lines.map(({ error }) => error))];
  const title = `Test error over ${axes.map((path) => optionLabel(path).words).join(' and ')}`;
  const subtitle = drawn.length === 0 ? '' : `lines are test errors ${drawn.join(', ')}`;
  const isLine = { filter: 'isValid(datum.line)' };
  const one = panels.length === 1;
  return {
    ...kFrame,
    title: titleOf(title, rows[0]?.study ?? '', subtitle),
    data: { values },
    facet: { field: 'panel', type: 'nominal', sort: panels, header: { title: null } },
    columns: Math.min(2, panels.length),
    spec: {
      width: one ? 640 : 330,
      height: one ? 400 : 280,
      layer: [
        {
          transform: [{ filter: 'isValid(datum.left)' }],
          // A description of every tile would be most of the file.
          mark: { type: 'rect', aria: false },
          encoding: {
            x: encode(xs, 'left'),
            x2: { field: 'right' },
            y: encode(ys, 'bottom'),
            y2: { field: 'top' },
            color: { field: 'value', type: 'quantitative', scale, legend },
          },
        },
        ...(['#ffffff', '#1b1f24'] as const).map((stroke, i) => ({
          transform: [isLine],
          mark: { type: 'line', stroke, strokeWidth: i === 0 ? 3 : 1.4 },
          encoding: { x, y, detail: { field: 'line' }, order: { field: 'order' } },
        })),
        ...(['#ffffff', '#1b1f24'] as const).map((color, i) => ({
          transform: [isLine, { filter: "datum.label !== ''" }],
          mark: {
            type: 'text',
            fontSize: 12,
            fontWeight: 'bold',
            dy: -8,
            ...(i === 0 ? { fill: color, stroke: color, strokeWidth: 3 } : { fill: color }),
          },
          encoding: { x, y, text: { field: 'label' } },
        })),
      ],
    },
    config: kConfig,
  } as unknown as TopLevelSpec;
}

/** The contours of the tiles of a panel; none where a tile is missing. */
function contoursOf(
  tiles: readonly { readonly level: number; readonly other: number; readonly value: number }[],
  axes: readonly [Axis, Axis],
  errors: readonly number[] | undefined,
): readonly ContourPoint[] {
  const mapAxis = ({ map, logarithmic }: Axis): MapAxis => ({ levels: [...map.keys()].map(rounded), logarithmic });
  const [x, y] = [mapAxis(axes[0]), mapAxis(axes[1])];
  const key = (level: number, other: number) => `${rounded(level)} ${rounded(other)}`;
  const found = new Map(tiles.map(({ level, other, value }) => [key(level, other), value]));
  const values = y.levels.flatMap((other) => x.levels.flatMap((level) => found.get(key(level, other)) ?? []));
  return values.length === x.levels.length * y.levels.length ? contourLines(values, x, y, errors) : [];
}

interface Axis {
  readonly path: string;
  readonly logarithmic: boolean;
  readonly map: ReadonlyMap<number, readonly [number, number]>;
}
