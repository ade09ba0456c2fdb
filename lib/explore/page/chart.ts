import { parse, View } from 'vega';
import { expressionInterpreter } from 'vega-interpreter';
import { compile, type TopLevelSpec } from 'vega-lite';

type Data = Readonly<Record<string, readonly object[]>>;

/** The view of a specification; expressions are interpreted, since a page without generated code is safer. */
function viewOf(spec: object, element?: HTMLElement): View {
  const runtime = parse(compile(spec as TopLevelSpec).spec, undefined, { ast: true });
  return new View(runtime, {
    renderer: element === undefined ? 'none' : 'svg',
    expr: expressionInterpreter,
    ...(element === undefined ? {} : { container: element, hover: false }),
  });
}

/** Draws data into an element: another specification makes a new drawing, other data change the one that is there. */
export class Chart {
  private view: View | undefined;
  private key = '';
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly element: HTMLElement) {}

  /** Resolves when it is to be seen. */
  draw(spec: object, data: Data): Promise<void> {
    const run = async () => {
      const key = JSON.stringify(spec);
      if (this.view === undefined || key !== this.key) {
        this.view?.finalize();
        this.view = viewOf(spec, this.element);
        this.key = key;
      }
      for (const [name, rows] of Object.entries(data)) this.view.data(name, [...rows]);
      await this.view.runAsync();
      // The element says what is drawn; parts without names would only be noise.
      this.element.querySelector('svg')?.setAttribute('aria-hidden', 'true');
    };
    this.last = this.last.then(run, run);
    return this.last;
  }

  close(): void {
    this.view?.finalize();
  }
}

async function drawn<Result>(spec: object, data: Data, to: (view: View) => Promise<Result>): Promise<Result> {
  const view = viewOf(spec);
  try {
    for (const [name, rows] of Object.entries(data)) view.data(name, [...rows]);
    return await to(view);
  } finally {
    view.finalize();
  }
}

/** The same as an SVG document. */
export const svgOf = (spec: object, data: Data): Promise<string> => drawn(spec, data, (view) => view.toSVG());

/** The same as a PNG file with two pixels per unit. */
export const pngOf = (spec: object, data: Data): Promise<Blob> =>
  drawn(spec, data, async (view) => {
    const canvas = (await view.toCanvas(2)) as unknown as HTMLCanvasElement;
    return new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error('the picture cannot be written')) : resolve(blob))),
    );
  });
