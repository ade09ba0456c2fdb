import { z } from 'zod';
import { integerFrom, parseOptions, seedSchema } from '../base/options.js';
import { sampleExamples } from '../mixture/examples.js';
import { promptAttention } from '../models/index.js';
import { kindOf, parseExperiment, type ResolvedExperiment } from '../simulation/kinds.js';

/** Tokens that a picture shows at most, about. */
const kTokens = 600;
/** Draws of the law that a learned prompt is taken from. */
const kDraws = 2000;

const schema = z.strictObject({
  experiment: z.looseObject({}, { error: 'an experiment' }),
  seed: seedSchema.default(1),
  tokens: integerFrom(1, 5000).default(kTokens),
});

/** A prompt by its parts along q⋆/Q, along the rest of w⋆, and orthogonal to both. */
type PromptParts = readonly [number, number, number];

/** Where the prompt of an experiment points: the one that is known, the mean one of the law, or null if nobody knows. */
async function promptOf(experiment: ResolvedExperiment, signal: AbortSignal): Promise<PromptParts | null> {
  if (!('mixture' in experiment)) return null;
  const { contextNorm: Q, signalNorm: W, correlation: ρ } = experiment.mixture;
  if (experiment.kind === 'known-prompt') return [experiment.inverseTemperature * Q, 0, 0];
  if (experiment.kind === 'gradient-descent' && experiment.model === 'mean-pooling') return [0, 0, 0];
  if (experiment.kind === 'gradient-descent' && experiment.model !== 'prompt-attention') return null;
  const law = await kindOf(experiment).theory(experiment, { seed: 0, draws: kDraws, signal });
  const [context, signalOverlap, norm] = ['contextOverlap', 'signalOverlap', 'promptNorm'].map(
    (name) => law?.[name]?.mean,
  );
  if (context === undefined || signalOverlap === undefined || norm === undefined) return null;
  const along = Q > 0 ? context / Q : 0;
  const across = Math.sqrt(1 - ρ * ρ);
  const other = W > 0 && across > 0 ? (signalOverlap / W - ρ * along) / across : 0;
  return [along, other, Math.sqrt(Math.max(0, norm * norm - along * along - other * other))];
}

/**
 * Tokens of some examples in the plane of q⋆ and w⋆ with the attention on them. The noise of every coordinate is independent, so that three
 * coordinates of a token have the same law whatever the dimension: the plane, and the direction in which the prompt leaves it.
 */
export async function answerTokens(question: unknown, signal: AbortSignal): Promise<unknown> {
  const { experiment, seed, tokens: most } = parseOptions(schema, question, '');
  const parsed = parseExperiment(experiment, 'experiment');
  if (!('mixture' in parsed)) return null;
  const { tokens: T, contextNorm: Q, signalNorm: W, correlation: ρ } = parsed.mixture;
  const prompt = await promptOf(parsed, signal);
  const dimension = 3;
  const mixture = { ...parsed.mixture, dimension };
  const examples = Math.min(200, Math.max(1, Math.floor(most / T)));
  const sample = await sampleExamples(mixture, { examples, seed, signal });
  const attention =
    prompt === null
      ? undefined
      : await promptAttention.attention(
          { prompt: Float64Array.from(prompt), head: new Float64Array(dimension) },
          sample,
          { signal },
        );
  const points = Array.from(sample.relevance, (relevant, token) => ({
    context: sample.tokens[token * dimension],
    signal: sample.tokens[token * dimension + 1],
    relevant: relevant === 1,
    label: sample.labels[Math.floor(token / T)],
    attention: attention?.[token] ?? null,
  })).slice(0, examples * Math.min(T, most));
  const across = Math.sqrt(1 - ρ * ρ);
  return {
    examples,
    points,
    contextVector: [Q, 0],
    signalVector: [W * ρ, W * across],
    prompt: prompt?.slice(0, 2) ?? null,
  };
}
