import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { metricLabel } from '../../report/labels.js';
import { type Axis, kAxes } from './axes.js';
import { Chart } from './chart.js';
import { curvesSpec, type Look } from './specs.js';
import type { State } from './state.js';

/** The width of an element, as it changes. */
function useWidth(): readonly [{ current: HTMLDivElement | null }, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.floor(node.clientWidth)));
    observer.observe(node);
    setWidth(Math.floor(node.clientWidth));
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

/** Whether the page is dark, as that changes. */
export function useDark(): boolean {
  const query = useMemo(() => window.matchMedia('(prefers-color-scheme: dark)'), []);
  const [dark, setDark] = useState(query.matches);
  useLayoutEffect(() => {
    const listen = () => setDark(query.matches);
    query.addEventListener('change', listen);
    return () => query.removeEventListener('change', listen);
  }, [query]);
  return dark;
}

interface DrawingProps {
  readonly name: string;
  readonly label: string;
  readonly height: number;
  readonly spec: (look: Look) => object;
  readonly data: Readonly<Record<string, readonly object[]>>;
  /** What is drawn, for whoever waits for it. */
  readonly version: string;
}

export function Drawing({ name, label, height, spec, data, version }: DrawingProps) {
  const [element, width] = useWidth();
  const chart = useRef<Chart | null>(null);
  const dark = useDark();
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null || width === 0) return;
    chart.current ??= new Chart(node);
    chart.current.draw(spec({ width, height, dark }), data).then(() => {
      node.dataset.drawn = version;
    }, console.error);
  });
  useLayoutEffect(() => () => chart.current?.close(), []);
  return (
    <div id={name} class="drawing" role="img" aria-label={label} style={{ minHeight: `${height}px` }} ref={element} />
  );
}

/** The figure of a metric. */
export function errorSpec(
  state: State,
  look: Look & { readonly legend?: readonly string[] },
  metric = 'error',
): object {
  const label = metricLabel(metric);
  const isSmall = metric !== 'error';
  return curvesSpec({
    ...look,
    axis: kAxes[state.along] as Axis,
    domain: [state.from, state.to],
    title: isSmall ? null : state.difference ? `difference of ${label} to A` : label,
    isSmall,
    logarithmic: state.logarithmic && !isSmall,
    difference: state.difference,
  });
}
