import { kNumberText } from '../../report/figures/layers.js';
import { kColors, kConfig, kDarkColors, kDashes, kFrame, kShapes } from '../../report/figures/style.js';
import type { Axis } from './axes.js';

/** What settings are called. */
export const kNames = ['A', 'B', 'C', 'D'];

/** What a figure is drawn with. */
export interface Look {
  readonly width: number;
  readonly height: number;
  readonly dark: boolean;
}

/** The colour of a setting. */
export function colorOf(setting: number, dark: boolean): string {
  const color = kColors[setting] as string;
  return dark ? (kDarkColors[color] ?? color) : color;
}

const ink = (dark: boolean) => (dark ? '#e6edf3' : '#1b1f24');
const paper = (dark: boolean) => (dark ? '#15191e' : 'white');
const grid = (dark: boolean) => (dark ? '#2d333b' : '#e6e6e6');

function frame({ width, height, dark }: Look) {
  const text = { labelColor: ink(dark), titleColor: ink(dark) };
  return {
    ...kFrame,
    padding: 4,
    background: paper(dark),
    width,
    height,
    autosize: { type: 'fit', contains: 'padding' },
    config: {
      ...kConfig,
      title: { ...kConfig.title, color: ink(dark), subtitleColor: ink(dark) },
      axis: {
        ...kConfig.axis,
        ...text,
        titleLimit: 0,
        gridColor: grid(dark),
        tickColor: '#888888',
        domainColor: '#888888',
      },
      legend: { ...kConfig.legend, ...text, orient: 'bottom', columns: 1 },
    },
  };
}

/** What is along the axes of curves. */
export interface CurvesOptions extends Look {
  readonly axis: Axis;
  readonly domain: readonly [number, number];
  /** Of the vertical axis; a small figure has its title above it. */
  readonly title: string | null;
  readonly isSmall: boolean;
  readonly logarithmic: boolean;
  readonly difference: boolean;
  /** What settings are called in a legend; without, there is none. */
  readonly legend?: readonly string[] | undefined;
}

/**
 * Curves of settings, from the data `law` { x, y, setting, reliable }, `trials` { x, mean, low, high, setting, reliable } and `best`
 * { x, y, setting, text }.
 */
export function curvesSpec({
  axis,
  domain,
  title,
  isSmall,
  logarithmic,
  difference,
  legend,
  ...look
}: CurvesOptions): object {
  const names = legend ?? kNames;
  const range = names.map((_, i) => colorOf(i, look.dark));
  const key = legend === undefined ? null : { title: null };
  const setting = (values: readonly unknown[]) => ({
    field: 'setting',
    type: 'nominal',
    scale: { domain: names, range: values.slice(0, names.length) },
    legend: key,
  });
  const color = setting(range);
  const shape = setting(kShapes);
  const x = {
    field: 'x',
    type: 'quantitative',
    scale: { type: axis.scale, domain, nice: false, padding: 10 },
    axis: {
      title: isSmall ? axis.symbol : `${axis.title}${axis.scale === 'log' ? ' (logarithmic scale)' : ''}`,
      tickCount: 8,
    },
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: logarithmic && !difference ? { type: 'log', nice: false } : { zero: true, nice: true },
    axis: {
      title: title !== null && logarithmic && !difference ? `${title} (logarithmic scale)` : title,
      tickCount: 6,
      labelExpr: kNumberText,
    },
  });
  const hollow = { type: 'point', filled: false, fill: paper(look.dark), size: 60, opacity: 1, strokeWidth: 1.5 };
  return {
    ...frame(look),
    layer: [
      ...(difference
        ? [{ data: { values: [{}] }, mark: { type: 'rule', color: '#888888' }, encoding: { y: { datum: 0 } } }]
        : []),
      {
        data: { name: 'law' },
        mark: { type: 'line', interpolate: 'monotone', strokeWidth: 2, clip: true },
        encoding: { x, y: y('y'), color, strokeDash: setting(kDashes) },
      },
      {
        data: { name: 'law' },
        transform: [{ filter: '!datum.reliable' }],
        mark: { type: 'point', filled: false, size: 25, opacity: 1 },
        encoding: { x, y: y('y'), color },
      },
      {
        data: { name: 'trials' },
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color },
      },
      {
        data: { name: 'trials' },
        transform: [{ filter: 'datum.reliable' }],
        mark: { type: 'point', filled: true, size: 55, opacity: 1, stroke: paper(look.dark), strokeWidth: 0.75 },
        encoding: { x, y: y('mean'), color, shape },
      },
      {
        data: { name: 'trials' },
        transform: [{ filter: '!datum.reliable' }],
        mark: hollow,
        encoding: { x, y: y('mean'), color, shape },
      },
      {
        data: { name: 'best' },
        mark: { type: 'point', shape: 'circle', filled: false, size: 180, opacity: 1, strokeWidth: 2 },
        encoding: { x, y: y('y'), color },
      },
      {
        data: { name: 'best' },
        mark: { type: 'text', dy: -16, fontSize: 12, fontWeight: 'bold', color: ink(look.dark) },
        encoding: { x, y: y('y'), text: { field: 'text' } },
      },
    ],
  };
}

/** Tokens in the plane of q⋆ and w⋆, from the data `tokens` and `vectors` { x, y, name }. */
export function pictureSpec(look: Look): object {
  const plane = (title: string, name: 'x' | 'y') => ({
    field: name,
    type: 'quantitative',
    axis: { title, tickCount: 5 },
    scale: { nice: true, zero: true },
  });
  const x = plane('along q⋆', 'x');
  const y = plane('across it, in the plane of w⋆', 'y');
  const kinds = ['relevant, y = +1', 'relevant, y = −1', 'irrelevant'];
  const colors = [colorOf(0, look.dark), colorOf(1, look.dark), ink(look.dark)];
  return {
    ...frame(look),
    layer: [
      {
        data: { name: 'tokens' },
        mark: { type: 'point', filled: true },
        encoding: {
          x,
          y,
          size: { condition: { test: "datum.kind === 'irrelevant'", value: 30 }, value: 120 },
          opacity: {
            field: 'opacity',
            type: 'quantitative',
            scale: { domain: [0, 1], range: [0.06, 1] },
            legend: null,
          },
          color: { field: 'kind', type: 'nominal', scale: { domain: kinds, range: colors }, legend: { title: null } },
          shape: {
            field: 'kind',
            type: 'nominal',
            scale: { domain: kinds, range: ['triangle-up', 'triangle-down', 'circle'] },
            legend: { title: null },
          },
        },
      },
      {
        data: { name: 'vectors' },
        mark: { type: 'rule', strokeWidth: 2, color: ink(look.dark) },
        encoding: { x, y, x2: { datum: 0 }, y2: { datum: 0 } },
      },
      {
        data: { name: 'vectors' },
        mark: { type: 'text', dx: 6, dy: -8, align: 'left', fontSize: 13, fontWeight: 'bold', color: ink(look.dark) },
        encoding: { x, y, text: { field: 'name' } },
      },
    ],
  };
}
