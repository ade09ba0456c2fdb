import test from 'ava';
import { native } from '../../lib/base/native.js';
import { images } from '../../lib/index.js';
import { syntheticSet } from './support.js';

const set = syntheticSet();
const fillers = { ...syntheticSet(30, 4, 4, 2), name: 'other' };
const common = { images: set, fillers, examples: 40, seed: 3 };
const tasks = {
  'full-tiled': { kind: 'full-tiled', tiles: 2, patch: 2 },
  'partial-tiled, classes': {
    kind: 'partial-tiled',
    tiles: 3,
    patch: 2,
    relevantTiles: 2,
    classes: [0, 1, 2],
    filler: { kind: 'classes', classes: [3] },
  },
  'partial-tiled, noise': { kind: 'partial-tiled', tiles: 2, patch: 4, relevantTiles: 1, filler: { kind: 'noise' } },
  'embedded, other set': {
    kind: 'embedded',
    tiles: 3,
    patch: 2,
    fragment: 1,
    filler: { kind: 'data-set', name: 'mnist' },
  },
  'embedded on the grid': { kind: 'embedded', tiles: 2, patch: 2, stride: 2, filler: { kind: 'noise' } },
  bag: { kind: 'bag', tokens: 5, relevantTokens: 2, context: [1, 3], others: [0, 2] },
} as const satisfies Record<string, images.ImageTask>;

/** Canvases from their patches: rows of pixels per example. */
function canvases(tokens: Float64Array, n: number, side: number, patch: number): number[][][] {
  const columns = side / patch;
  const T = columns ** 2;
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: side }, (_, y) =>
      Array.from({ length: side }, (_, x) => {
        const t = Math.floor(y / patch) * columns + Math.floor(x / patch);
        return tokens[((i * T + t) * patch + (y % patch)) * patch + (x % patch)] as number;
      }),
    ),
  );
}

const pixelsOf = (source: images.ImageSet, image: number) =>
  Array.from({ length: 4 }, (_, y) =>
    Array.from({ length: 4 }, (_, x) => (source.pixels[image * 16 + y * 4 + x] as number) / 255),
  );
const tileAt = (canvas: number[][], top: number, left: number) =>
  canvas.slice(top, top + 4).map((row) => row.slice(left, left + 4));
const imagesOfClass = (source: images.ImageSet, label: number) =>
  [...source.labels.keys()].filter((i) => source.labels[i] === label).map((i) => JSON.stringify(pixelsOf(source, i)));

for (const [name, task] of Object.entries(tasks))
  test(`${name}: threads change nothing, a larger sample begins with the smaller one, seeds and trials differ`, async (t) => {
    const [one, three] = await Promise.all(
      [1, 3].map((threads) => images.contextualImages(task, { ...common, threads })),
    );
    t.deepEqual(three, one);
    const { tokens, labels, relevance } = await images.contextualImages(task, { ...common, examples: 25 });
    t.deepEqual(one?.tokens.subarray(0, tokens.length), tokens);
    t.deepEqual(one?.labels.subarray(0, 25), labels);
    t.deepEqual(one?.relevance.subarray(0, relevance.length), relevance);
    for (const change of [{ seed: 4 }, { trial: 1 }])
      t.notDeepEqual((await images.contextualImages(task, { ...common, ...change })).tokens, one?.tokens);
  });

test('every tile of a full-tiled canvas shows one image of the labelled class', async (t) => {
  const { tokens, labels, relevance } = await images.contextualImages(tasks['full-tiled'], common);
  t.true(relevance.every((mark) => mark === 1));
  for (const [i, canvas] of canvases(tokens, 40, 8, 2).entries()) {
    const tile = JSON.stringify(tileAt(canvas, 0, 0));
    t.true(imagesOfClass(set, labels[i] as number).includes(tile));
    for (const [top, left] of [
      [0, 4],
      [4, 0],
      [4, 4],
    ] as const)
      t.is(JSON.stringify(tileAt(canvas, top, left)), tile);
  }
  t.is(new Set(labels).size, 4);
});

test('a partial-tiled canvas shows the image in its relevant tiles and fillers of their own in the others', async (t) => {
  const { tokens, labels, relevance } = await images.contextualImages(tasks['partial-tiled, classes'], common);
  const fillerTiles = imagesOfClass(set, 3);
  const places = new Set<string>();
  for (const [i, canvas] of canvases(tokens, 40, 12, 2).entries()) {
    const marks = relevance.subarray(i * 36, (i + 1) * 36);
    const shown: string[] = [];
    for (let place = 0; place < 9; ++place) {
      const [row, column] = [Math.floor(place / 3), place % 3];
      const tile = JSON.stringify(tileAt(canvas, 4 * row, 4 * column));
      const own = [0, 1, 6, 7].map((patch) => marks[12 * row + 2 * column + patch]);
      t.is(new Set(own).size, 1);
      if (own[0] === 1) {
        shown.push(tile);
        places.add(String(place));
      } else t.true(fillerTiles.includes(tile));
    }
    t.is(shown.length, 2);
    t.is(shown[0], shown[1]);
    t.true(imagesOfClass(set, labels[i] as number).includes(shown[0] as string));
  }
  t.is(places.size, 9);
});

test('noise is uniform, and fresh in every canvas', async (t) => {
  const options = { ...common, examples: 2000 };
  const { tokens, relevance } = await images.contextualImages(tasks['partial-tiled, noise'], options);
  const values: number[] = [];
  for (const [row, mark] of relevance.entries())
    if (mark === 0) values.push(...tokens.subarray(16 * row, 16 * row + 16));
  t.is(values.length, 2000 * 3 * 16);
  t.is(new Set(values).size, values.length);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  t.true(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / values.length));
});

test('an embedded image lies whole at every allowed place, over fragments of the fillers', async (t) => {
  for (const [name, stride, side] of [
    ['embedded, other set', 1, 12],
    ['embedded on the grid', 2, 8],
  ] as const) {
    // 81 places: one of them stays empty with probability 3·10⁻⁵.
    const n = 1200;
    const { tokens, labels, relevance } = await images.contextualImages(tasks[name], { ...common, examples: n });
    const places = new Set<string>();
    const known = [0, 1, 2, 3].map((label) => new Set(imagesOfClass(set, label)));
    for (const [i, canvas] of canvases(tokens, n, side, 2).entries()) {
      const found: [number, number][] = [];
      for (let top = 0; top <= side - 4; top += stride)
        for (let left = 0; left <= side - 4; left += stride)
          if (known[labels[i] as number]?.has(JSON.stringify(tileAt(canvas, top, left)))) found.push([top, left]);
      t.is(found.length, 1, `${name} ${i}`);
      const [top, left] = found[0] as [number, number];
      places.add(`${top} ${left}`);
      const T = (side / 2) ** 2;
      const overlap = (a: number, b: number) => Math.max(0, Math.min(a + 2, b + 4) - Math.max(a, b));
      const expected = Array.from({ length: T }, (_, patch) => {
        const [y, x] = [2 * Math.floor(patch / (side / 2)), 2 * (patch % (side / 2))];
        return 2 * overlap(y, top) * overlap(x, left) >= 4 ? 1 : 0;
      });
      t.deepEqual([...relevance.subarray(i * T, (i + 1) * T)], expected);
    }
    t.is(places.size, ((side - 4) / stride + 1) ** 2);
  }
});

test('a bag has k images of the labelled kind at random places, and images of other classes', async (t) => {
  const { tokens, labels, relevance } = await images.contextualImages(tasks.bag, { ...common, examples: 300 });
  const kind = (label: number) => new Set(imagesOfClass(set, label));
  const [minus, plus, others] = [kind(1), kind(3), new Set([...kind(0), ...kind(2)])];
  const marked = new Float64Array(5);
  for (let i = 0; i < 300; ++i)
    for (let token = 0; token < 5; ++token) {
      const row = 5 * i + token;
      const image = JSON.stringify(
        Array.from({ length: 4 }, (_, y) => [...tokens.subarray(16 * row + 4 * y, 16 * row + 4 * y + 4)]),
      );
      const wanted = relevance[row] === 0 ? others : labels[i] === 1 ? plus : minus;
      t.true(wanted.has(image));
      marked[token] = (marked[token] as number) + (relevance[row] as number);
    }
  t.is(
    marked.reduce((a, b) => a + b),
    600,
  );
  for (const count of marked) t.true(Math.abs(count - 120) < 4 * Math.sqrt(300 * 0.4 * 0.6));
  const share = labels.filter((label) => label === 1).length / 300;
  t.true(Math.abs(share - 0.5) < 4 * Math.sqrt(0.25 / 300));
});

test('pieces are drawn in turn, patches are in reading order, positions are put behind them', async (t) => {
  const { tokens, relevance } = await native.imageTokens({
    layout: { height: 2, width: 4, patchHeight: 1, patchWidth: 2, imageHeight: 2, imageWidth: 3 },
    canvases: 2,
    firstCanvas: 0,
    imageCount: 2,
    images: Uint8Array.of(0, 51, 102, 153, 204, 255, 255, 255, 255, 255, 255, 255),
    // The first image from (0, 1), then a pixel of the second over it; the second canvas stays black but for one pixel.
    pieces: Uint32Array.of(0, 0, 0, 1, 2, 2, 0, 1, 1, 0, 1, 1, 2, 1, 1, 0, 2, 0, 1, 0, 1, 0, 1, 1, 1, 3, 1),
    stages: [],
    positions: Float64Array.of(10, 20, 30, 40),
    positionSize: 1,
    threads: 1,
    seed: 1n,
    cellKey: new Uint32Array(4),
  }).promise;
  const expected = [0, 0.2, 10, 1, 0, 20, 0, 0.8, 30, 1, 0, 40, 0, 0, 10, 0, 0, 20, 0, 0, 30, 0, 0.6, 40];
  t.true(tokens.every((value, j) => Math.abs(value - (expected[j] as number)) < 1e-15));
  t.deepEqual([...relevance], [1, 0, 1, 1, 0, 0, 0, 1]);
});

test('bad tasks and options are refused by name', async (t) => {
  const cases: [object, object, RegExp][] = [
    [{ ...tasks.bag, others: [1] }, {}, /^task\.others must be classes that are not in the context/],
    [{ ...tasks.bag, relevantTokens: 6 }, {}, /^task\.relevantTokens must be an integer in \[1, tokens\]/],
    [{ ...tasks.bag, context: [1, 9] }, {}, /^task\.context must be classes below 4; got 9/],
    [{ ...tasks.bag, context: [1, 1] }, {}, /^task\.context must be without repeated classes/],
    [{ ...tasks['full-tiled'], patch: 3 }, {}, /^task\.patch must be a divisor of the sides of an image, 4×4; got 3/],
    [
      { ...tasks['partial-tiled, noise'], relevantTiles: 5 },
      {},
      /^task\.relevantTiles must be an integer in \[1, tiles²\]/,
    ],
    [{ ...tasks['embedded, other set'], fragment: 3 }, {}, /^task\.fragment must be a divisor/],
    [tasks['embedded, other set'], { fillers: undefined }, /^fillers must be images of 4×4 pixels/],
    [tasks.bag, { examples: 0 }, /^examples must be an integer ≥ 1/],
    [tasks.bag, { images: 3 }, /^images must be a set of images/],
    [{ kind: 'tiled' }, {}, /^task must be a task|^task\.kind/],
  ];
  for (const [task, options, message] of cases)
    await t.throwsAsync(images.contextualImages(task as images.ImageTask, { ...common, ...options }), { message });
  const embedding = await images.fitEmbedding(set, 'image', { kind: 'raw' });
  await t.throwsAsync(images.contextualImages(tasks['full-tiled'], { ...common, embedding }), {
    message: /^embedding must be fitted to patches of 2×2 pixels/,
  });
});
