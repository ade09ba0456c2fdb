// What many steps of joint training do: runs the study long-training.yaml, prints its rows as a Markdown table and draws test
// error, training loss, alignment of the prompt and attention over the steps.
// Usage: node examples/long-training.mjs [results.sqlite] [figure.svg]
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { study } from 'prompt-attention';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

const [out = 'long-training.sqlite', figure = 'long-training.svg'] = process.argv.slice(2);
const { rows, spec } = await study.run(fileURLToPath(new URL('long-training.yaml', import.meta.url)), { out });

const { dimension, contextNorm } = spec.experiment.mixture;
const points = rows.map(({ factors, meanError, standardError, metrics }) => ({
  steps: factors.steps,
  ratio: `n/d = ${factors.examples / dimension}`,
  rate: `prompt step ${factors.stepSizes.prompt} (${factors.stepSizes.prompt < 1 ? 'solid' : 'dashed'})`,
  error: meanError,
  standardError,
  trainingLoss: metrics.trainingLoss.mean,
  cosine: metrics.promptNorm.mean > 0 ? metrics.contextOverlap.mean / contextNorm / metrics.promptNorm.mean : 0,
  relevantAttention: metrics.relevantAttention.mean,
}));

console.log(
  '| prompt step | n/d | steps | test error | training loss | cosine of q and q⋆ | attention on relevant tokens |',
);
console.log('|---|---|--:|--:|--:|--:|--:|');
for (const point of points)
  console.log(
    `| ${point.rate.split(' ')[2]} | ${point.ratio.slice(6)} | ${point.steps} | ${point.error.toFixed(4)} ± ${point.standardError.toFixed(4)} | ${point.trainingLoss.toPrecision(3)} | ${point.cosine.toFixed(3)} | ${point.relevantAttention.toFixed(3)} |`,
  );

// Step 0 has no place on a logarithmic axis; it is the same for all: error 1/2, attention ζ.
const drawn = points.filter(({ steps }) => steps > 0);
const ratios = [...new Set(points.map(({ ratio }) => ratio))];
const color = {
  field: 'ratio',
  type: 'nominal',
  scale: { domain: ratios, range: ['#D55E00', '#0072B2', '#009E73'] },
  legend: { title: null, orient: 'bottom' },
};
const shape = {
  field: 'ratio',
  type: 'nominal',
  scale: { domain: ratios, range: ['circle', 'square', 'triangle-up'] },
};
const rates = [...new Set(points.map(({ rate }) => rate))];
const strokeDash = {
  field: 'rate',
  type: 'nominal',
  scale: {
    domain: rates,
    range: [
      [1, 0],
      [5, 4],
    ],
  },
  legend: { title: null, orient: 'bottom', symbolType: 'stroke', symbolSize: 600, symbolStrokeColor: '#888' },
};
const panel = ([field, title, scale]) => ({
  width: 330,
  height: 230,
  encoding: {
    x: {
      field: 'steps',
      type: 'quantitative',
      scale: { type: 'log', base: 2, padding: 14 },
      axis: { title: 'steps (logarithmic scale)', values: [1, 2, 4, 8, 16, 32, 64, 128, 256], grid: false },
    },
    y: { field, type: 'quantitative', scale, axis: { title, ...(scale.type === 'log' ? { format: '~g' } : {}) } },
    color,
  },
  layer: [
    { mark: { type: 'line', strokeWidth: 1.8 }, encoding: { strokeDash } },
    {
      mark: { type: 'point', filled: true, size: 45, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
      encoding: { shape, detail: { field: 'rate' } },
    },
  ],
});
const logarithmic = { type: 'log' };
const panels = [
  ['error', 'test error (logarithmic scale)', logarithmic],
  ['trainingLoss', 'training loss (logarithmic scale)', logarithmic],
  ['cosine', 'cosine of q and q⋆', { zero: true }],
  ['relevantAttention', 'attention on relevant tokens', { domain: [0, 1] }],
].map(panel);
const view = new View(
  parse(
    compile({
      background: 'white',
      padding: 12,
      data: { values: drawn },
      config: {
        font: 'Helvetica, Arial, sans-serif',
        axis: {
          labelFontSize: 12,
          titleFontSize: 13,
          titleFontWeight: 'normal',
          titlePadding: 10,
          gridColor: '#e6e6e6',
        },
        // Nothing is cut off.
        legend: { labelFontSize: 12, labelLimit: 0, symbolSize: 80 },
        view: { stroke: '#888888' },
      },
      title: { text: 'Joint training of prompt and head on the same examples', anchor: 'start', fontSize: 15 },
      vconcat: [{ hconcat: panels.slice(0, 2) }, { hconcat: panels.slice(2) }],
    }).spec,
  ),
  { renderer: 'none' },
);
writeFileSync(figure, await view.toSVG());
view.finalize();
