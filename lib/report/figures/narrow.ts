import type { TopLevelSpec } from 'vega-lite';
import { type kConfig, wrapped } from './style.js';

/** Width of a panel on a page as wide as a telephone, in pixels … */
const kWidth = 270;
/** … and characters of a line of its titles, whose width is estimated generously where there is no browser. */
const kTitleLine = 28;
const kLine = 36;

interface Panel {
  readonly width?: number;
}

interface Figure extends Panel {
  readonly title: { readonly text: string; readonly subtitle: readonly string[] };
  readonly spec?: Panel;
  readonly config: typeof kConfig;
}

/** Characters of a line of the title of an axis. */
const kAxisLine = 28;

/** An axis whose title is in lines. */
function narrowedAxis(axis: Readonly<Record<string, unknown>>): object {
  const { title } = axis;
  const lines = typeof title === 'string' ? wrapped(title.replace('logarithmic scale', 'log scale'), kAxisLine) : title;
  return { ...axis, title: lines };
}

/** A part of a specification with all its axes narrowed; data are left as they are. */
function withNarrowedAxes(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(withNarrowedAxes);
  if (part === null || typeof part !== 'object') return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => {
      if (name === 'axis' && value !== null) return [name, narrowedAxis(value)];
      return [name, name === 'data' || name === 'config' ? value : withNarrowedAxes(value)];
    }),
  );
}

/** A figure for a narrow page, where it has the size of its text: panels below each other, legends below them, titles in lines. */
export function narrowed(spec: TopLevelSpec): TopLevelSpec {
  const figure = withNarrowedAxes(spec) as Figure;
  const { title, config } = figure;
  return {
    ...figure,
    padding: 4,
    title: { ...title, text: wrapped(title.text, kTitleLine), subtitle: wrapped(title.subtitle.join(' '), kLine) },
    ...(figure.spec === undefined ? { width: kWidth } : { columns: 1, spec: { ...figure.spec, width: kWidth } }),
    config: {
      ...config,
      axis: { ...config.axis, titleLimit: 0 },
      axisX: { ...config.axisX, labelOverlap: 'greedy' },
      legend: { ...config.legend, orient: 'bottom', columns: 1, gradientLength: 200 },
    },
  } as unknown as TopLevelSpec;
}
