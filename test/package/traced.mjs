// A program of which only the files that a tool finds for it are kept (`npm run check:package`).
import { simulate, study } from 'prompt-attention';

const mixture = { tokens: 4, dimension: 10, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const experiment = { kind: 'known-prompt', mixture, examples: 20, inverseTemperature: 1, head: { kind: 'averaging' } };
await simulate(experiment, { trials: 4, seed: 1 });
const { rows } = await study.run({ name: 'traced', seed: 1, experiment, trials: 4 }, { out: 'traced.sqlite' });
console.log(JSON.stringify({ cells: rows.length }));
