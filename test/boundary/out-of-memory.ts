// Calls that need more memory than this process may have; prints what became of them as one line of JSON.
import * as library from '../../lib/index.js';
import { limitMemory } from './limit-memory.js';

const mixture = { tokens: 8, relevantTokens: 2, dimension: 100, contextNorm: 1, signalNorm: 1 };
const options = { trials: 2, seed: 1, threads: 2 };
const small = {
  kind: 'known-prompt',
  mixture,
  examples: 200,
  inverseTemperature: 1,
  head: { kind: 'averaging' },
} as const;
const large = { ...mixture, dimension: 100_000 };
const head = { kind: 'least-squares' } as const;
const stepSizes = [1, 1, 1] as const;
const descent = { kind: 'gradient-descent', mixture, steps: 1, stepSizes: { head: 1, prompt: 1 } } as const;
const tokens = new Float64Array(40e6);
const labels = new Float64Array(100).fill(1);

const calls: Readonly<Record<string, () => unknown>> = {
  'more examples than fit': () => library.sampleExamples(mixture, { examples: 1e6, seed: 1 }),
  'a result that fits only once': () => library.sampleExamples(mixture, { examples: 110_000, seed: 1 }),
  'a Gram matrix': () =>
    library.simulate({ ...small, mixture: large, examples: 100_000, head, solver: 'direct' }, options),
  'features of a logistic head': () =>
    library.simulate(
      { ...small, mixture: large, examples: 5_000, head: { kind: 'logistic', ridge: 1 }, solver: 'direct' },
      options,
    ),
  'one dense example': () =>
    library.simulate(
      { kind: 'three-step', mixture: { ...large, tokens: 2000, relevantTokens: 1 }, examples: 5, stepSizes },
      { ...options, method: 'dense' },
    ),
  'tokens of descent': () =>
    library.simulate({ ...descent, model: 'prompt-attention', examples: 1e6 }, { ...options, method: 'dense' }),
  'noise of lazy descent': () =>
    library.simulate({ ...descent, model: 'prompt-attention', examples: 1e7, steps: 50 }, options),
  'metrics of trials': () => library.simulate(small, { ...options, trials: 2 ** 31 - 1 }),
  'draws of a law': () => library.risk.knownPrompt({ ...small, draws: 2 ** 30 }),
  'a second copy of tokens': () => [1, 2, 3, 4].map(() => library.holdExamples({ tokens, labels, dimension: 100 })),
  'a copy for a gradient': () =>
    Promise.all(
      [1, 2, 3, 4].map(() =>
        library.promptAttention.gradient(
          { prompt: new Float64Array(100), head: new Float64Array(100) },
          { tokens, labels, dimension: 100 },
          { loss: 'square' },
        ),
      ),
    ),
};

const before = await library.simulate(small, options);
limitMemory(2 ** 30);
const outcomes: Record<string, string> = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    await call();
    outcomes[name] = 'an answer';
  } catch (error) {
    outcomes[name] = `${(error as Error).constructor.name}: ${(error as Error).message}`;
  }
}
const after = await library.simulate(small, options);
const isSame = Buffer.compare(Buffer.from(before.metrics.error.buffer), Buffer.from(after.metrics.error.buffer)) === 0;
console.log(JSON.stringify({ outcomes, isSame }));
