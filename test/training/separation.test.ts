import test from 'ava';
import {
  linearAttention,
  type Model,
  meanPooling,
  promptAttention,
  selfAttention,
  fit as train,
} from '../../lib/index.js';

// Noiseless examples of the mixture with q⋆ = e1, w⋆ = e2 in R³: one for every label and confusion atom, so that errors over
// them are those of the law with equally likely atoms.
const T = 8;
const d = 3;
function allExamples(relevant: number, atoms: readonly (readonly [number, number])[]) {
  const tokens: number[] = [];
  const labels: number[] = [];
  for (const y of [1, -1])
    for (const [deltaQ, deltaW] of atoms) {
      labels.push(y);
      for (let t = 0; t < T; ++t) tokens.push(...(t < relevant ? [1, y, 0] : [-deltaQ, -deltaW * y, 0]));
    }
  return { tokens: Float64Array.from(tokens), labels: Float64Array.from(labels), dimension: d };
}
type Data = ReturnType<typeof allExamples>;

/** Errors at every record, over 50 starts of different scales, losses, optimisers. */
async function errorsOf<Name extends string>(model: Model<Name>, data: Data): Promise<number[][]> {
  const runs = Array.from({ length: 50 }, (_, start) =>
    train(model, data, {
      loss: start % 2 === 0 ? 'logistic' : 'square',
      optimizer: start % 3 === 0 ? 'gradient-descent' : 'adam',
      learningRate: 0.05,
      steps: 600,
      seed: start,
      initial: { scale: [0.1, 1, 4][Math.floor(start / 6) % 3] as number },
    }),
  );
  return (await Promise.all(runs)).map(({ history }) => [...history.error]);
}

/** Starts from which prompt-attention reaches error 0; the others end in the basin of a prompt that avoids relevant tokens. */
async function exactStarts(data: Data): Promise<number> {
  return (await errorsOf(promptAttention, data)).filter((errors) => errors.at(-1) === 0).length;
}

// ζ = k/T with Δ > max(ζ/(1−ζ), (1−ζ)/ζ).
for (const [relevant, delta] of [
  [4, 1.5],
  [2, 3.5],
  [6, 4],
] as const)
  test(`{(0,0), (Δ,Δ)}, ζ = ${relevant / T}, Δ = ${delta}: self-attention stays at chance, prompt-attention is exact`, async (t) => {
    const data = allExamples(relevant, [
      [0, 0],
      [delta, delta],
    ]);
    for (const model of [selfAttention, meanPooling] as readonly Model<string>[])
      for (const errors of await errorsOf(model, data))
        t.true(
          errors.every((error) => error === 0.5),
          model.name,
        );
    t.true((await exactStarts(data)) >= 5);
  });

for (const [relevant, delta] of [
  [4, 1.5],
  [2, 0.8],
  [6, 2],
] as const)
  test(`{(0,0), (Δ,−Δ)}, ζ = ${relevant / T}, Δ = ${delta}: linear attention never beats ¾`, async (t) => {
    const data = allExamples(relevant, [
      [0, 0],
      [delta, -delta],
    ]);
    const errors = (await errorsOf(linearAttention, data)).flat();
    t.is(Math.min(...errors), 0.25);
    t.true((await exactStarts(data)) >= 5);
  });
