// What the four models learn on noiseless-like data, and the best that any parameters could do: runs the study
// separation.yaml, prints accuracies beside the ceilings as a Markdown table and draws them over Δ.
// Usage: node examples/separation.mjs [results.sqlite] [figure.svg]
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { risk, study } from 'prompt-attention';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

const [out = 'separation.sqlite', figure = 'separation.svg'] = process.argv.slice(2);
const { rows, spec } = await study.run(fileURLToPath(new URL('separation.yaml', import.meta.url)), { out });

const ceilingOf = {
  'prompt-attention': 'promptAttention',
  'linear-attention': 'linearAttention',
  'self-attention': 'selfAttention',
  'mean-pooling': 'meanPooling',
};
const models = Object.keys(ceilingOf);
const families = { '(Δ, Δ)': 1, '(Δ, −Δ)': -1 };

const confusionAt = (delta, sign) => [
  { deltaQ: 0, deltaW: 0, probability: 0.5 },
  { deltaQ: delta, deltaW: sign * delta, probability: 0.5 },
];
const ceilings = (confusion) => risk.separation({ mixture: { ...spec.experiment.mixture, confusion } });

const trained = rows.map(({ factors, meanError, standardError }) => {
  const { deltaQ: delta, deltaW } = factors['mixture.confusion'][1];
  return {
    model: factors.model,
    delta,
    shown: delta + 0.03 * (models.indexOf(factors.model) - 1.5),
    family: deltaW > 0 ? '(Δ, Δ)' : '(Δ, −Δ)',
    accuracy: 1 - meanError,
    standardError,
  };
});

console.log('| confusion | model | trained accuracy | ceiling | found by |');
console.log('|---|---|--:|--:|---|');
for (const { model, delta, family, accuracy, standardError } of trained) {
  const ceiling = ceilings(confusionAt(delta, families[family]))[ceilingOf[model]];
  const label = family.replaceAll('Δ', delta);
  console.log(
    `| ${label} | ${model} | ${accuracy.toFixed(3)} ± ${standardError.toFixed(3)} | ${ceiling.accuracy} | ${ceiling.method} |`,
  );
}

// Ceilings on a fine grid. Models that share a ceiling or a point are drawn side by side through small offsets.
const grid = Array.from({ length: 220 }, (_, i) => 0.405 + i / 100);
const lines = Object.entries(families).flatMap(([family, sign]) =>
  grid.flatMap((delta) => {
    const best = ceilings(confusionAt(delta, sign));
    return models.map((model, i) => ({ family, delta, model, ceiling: best[ceilingOf[model]].accuracy - 0.004 * i }));
  }),
);
const color = {
  field: 'model',
  type: 'nominal',
  scale: { domain: models, range: ['#0072B2', '#E69F00', '#D55E00', '#009E73'] },
  legend: { title: null, orient: 'bottom', labelFontSize: 13, labelLimit: 300, symbolSize: 110 },
};
const shape = { field: 'model', type: 'nominal', scale: { domain: models } };
const x = {
  field: 'delta',
  type: 'quantitative',
  axis: { title: 'Δ', titleFontSize: 14 },
  scale: { domain: [0.4, 2.6] },
};
const accuracyAxis = { type: 'quantitative', scale: { domain: [0.4, 1.03] }, axis: { title: 'accuracy' } };
const panel = (family) => ({
  title: `irrelevant tokens: half (0, 0), half ${family}`,
  width: 380,
  height: 280,
  layer: [
    {
      data: { values: lines.filter((line) => line.family === family) },
      mark: { type: 'line', clip: true, interpolate: 'step-after', strokeWidth: 1.8, opacity: 0.8 },
      encoding: { x, y: { field: 'ceiling', ...accuracyAxis }, color },
    },
    {
      data: { values: trained.filter((point) => point.family === family) },
      mark: { type: 'point', filled: true, size: 75, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
      encoding: { x: { ...x, field: 'shown' }, y: { field: 'accuracy', ...accuracyAxis }, color, shape },
    },
  ],
});
const view = new View(
  parse(
    compile({
      background: 'white',
      padding: 12,
      title: { text: 'Trained models (points) and the best possible accuracy (lines)', anchor: 'start', fontSize: 15 },
      resolve: { legend: { color: 'shared', shape: 'shared' } },
      hconcat: Object.keys(families).map(panel),
    }).spec,
  ),
  { renderer: 'none' },
);
writeFileSync(figure, await view.toSVG());
view.finalize();
