// Everything that docs/real-data.md shows: runs the studies images-*.yaml on Fashion-MNIST and MNIST (or finds them finished),
// prints their tables as Markdown and draws figures and attention maps.
// Usage: node examples/real-data.mjs [folder of results] [folder of figures]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { images, study } from 'prompt-attention';

const [results = '.', figures = '.'] = process.argv.slice(2);
for (const folder of [results, figures]) mkdirSync(folder, { recursive: true });

const text = ({ mean, standardError }) =>
  Number.isNaN(standardError) ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${standardError.toFixed(3)}`;
const levelText = (level) =>
  typeof level === 'object' ? `${level.kind}${level.stride === undefined ? '' : `, stride ${level.stride}`}` : level;

for (const name of ['images-bag', 'images-transfer', 'images-prompts', 'images-risk']) {
  const result = await study.run(fileURLToPath(new URL(`${name}.yaml`, import.meta.url)), {
    out: join(results, `${name}.sqlite`),
  });
  const { rows } = result;
  const factors = Object.keys(rows[0].factors);
  const metrics = Object.keys(rows[0].metrics);
  console.log(`\n### ${name}\n`);
  console.log(`| ${[...factors, 'error', 'law', ...metrics, 'seconds'].join(' | ')} |`);
  console.log(`|${'---|'.repeat(factors.length + metrics.length + 3)}`);
  for (const row of rows) {
    const cells = [
      ...factors.map((path) => levelText(row.factors[path])),
      text({ mean: row.meanError, standardError: row.standardError }),
      row.theory?.toFixed(4) ?? '–',
      ...metrics.map((metric) => text(row.metrics[metric])),
      row.wallSeconds.toFixed(1),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  writeFileSync(join(figures, `${name}.svg`), await images.imageFigure(result));
}

const { spec } = await study.open(join(results, 'images-transfer.sqlite'));
for (const task of spec.factors.task.slice(0, 2)) {
  const experiment = { ...spec.experiment, task, method: 'prompts', examples: 1500 };
  writeFileSync(
    join(figures, `attention-${task.kind}.svg`),
    await images.attentionMaps(experiment, { seed: spec.seed, correct: 4, wrong: 3 }),
  );
}
