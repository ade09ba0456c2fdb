import test from 'ava';
import { type ConfusionAtom, type ContextualMixtureOptions, OptionTypeError, risk } from '../../lib/index.js';
import { type ModelName, type SearchEffort, searchedAccuracy } from '../support/separation-search.js';

const names = ['promptAttention', 'linearAttention', 'selfAttention', 'meanPooling'] as const;
const methods = ['closed-form', 'enumeration', 'bracketed-maximisation', 'attained-bound', 'lower-bound'];

/** Atoms [δq, δw, probability], equally likely if no probability is given. */
function confusionOf(atoms: readonly (readonly number[])[]): ConfusionAtom[] {
  return atoms.map(([deltaQ = 0, deltaW = 0, probability = 1 / atoms.length]) => ({ deltaQ, deltaW, probability }));
}

const plain = { tokens: 10, dimension: 6, relevantTokens: 4, contextNorm: 1, signalNorm: 1 };

function mixtureOf(
  more: Partial<ContextualMixtureOptions>,
  ...atoms: readonly (readonly number[])[]
): ContextualMixtureOptions {
  return { ...plain, confusion: confusionOf(atoms), ...more };
}

function ceilings(mixture: ContextualMixtureOptions): Record<ModelName, number> {
  const result = risk.separation({ mixture });
  return Object.fromEntries(names.map((name) => [name, result[name].accuracy])) as Record<ModelName, number>;
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-12;
}

/** A sequence of random mixtures, the same in every run. */
function randomMixtures(count: number, seed: number): ContextualMixtureOptions[] {
  let state = seed;
  const uniform = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (let i = 0; i < 10; ++i) uniform();
  return Array.from({ length: count }, (_, index) => {
    const size = 2 + (index % 2);
    const reach = [1, 3, 6][index % 3] as number;
    const draws = Array.from({ length: size }, () => 0.3 + uniform());
    const total = draws.reduce((sum, p) => sum + p, 0);
    const atoms = draws.map((p) => [reach * (2 * uniform() - 1), reach * (2 * uniform() - 1), p / total]);
    const more = {
      tokens: 5,
      relevantTokens: 1 + Math.floor(4 * uniform()),
      contextNorm: 0.5 + uniform(),
      signalNorm: 0.5 + uniform(),
      correlation: 1.4 * uniform() - 0.7,
      positiveRate: 0.2 + 0.6 * uniform(),
    };
    return mixtureOf(more, ...atoms);
  });
}

const few = { tokens: 4, relevantTokens: 1 };
const half = { tokens: 4, relevantTokens: 2 };
const bruteForceCases: readonly (readonly [string, ContextualMixtureOptions])[] = [
  ['core', mixtureOf(plain, [0, 0])],
  ['parallel, weak', mixtureOf(plain, [0, 0], [0.5, 0.5])],
  ['parallel, beyond mean pooling', mixtureOf(plain, [0, 0], [1.2, 1.2])],
  ['parallel, beyond self-attention', mixtureOf(plain, [0, 0], [1.8, 1.8])],
  ['parallel, interior maximum of c', mixtureOf({ relevantTokens: 1 }, [0, 0], [9.2, 9.2])],
  ['parallel, past it', mixtureOf({ relevantTokens: 1 }, [0, 0], [9.8, 9.8])],
  ['parallel, few relevant', mixtureOf(few, [0, 0], [2, 2])],
  ['parallel, three atoms', mixtureOf({ positiveRate: 0.3 }, [0.2, 0.2, 0.3], [1.5, 1.5, 0.3], [4, 4, 0.4])],
  ['parallel, δ < −1', mixtureOf(half, [-2, -2], [3, 3])],
  ['opposed, below ¾', mixtureOf(plain, [0, 0], [0.7, -0.7])],
  ['opposed, at ¾', mixtureOf(plain, [0, 0], [1.5, -1.5])],
  ['opposed, correlated, unbalanced', mixtureOf({ correlation: 0.5, positiveRate: 0.7 }, [0, 0], [1.5, -1.5])],
  ['linear prompts that order points', mixtureOf({ tokens: 4, relevantTokens: 3 }, [2, 0], [1, 4], [-3, 4])],
  ['indistinguishable', mixtureOf(half, [-1, 1], [0, 0])],
  ['only the temperature helps', mixtureOf(half, [-3, 1], [1, 3])],
  ['only the temperature helps, three atoms', mixtureOf(half, [-2, 0], [-1, 1], [2, 2])],
  ['δq < −1', mixtureOf({ positiveRate: 0.3 }, [-2, 1], [-3, -1], [0.5, -3], [4, 2])],
  ['self-attention not exact', mixtureOf(half, [0, 0, 0.4], [9, 9, 0.3], [1, 2, 0.3])],
  ['self-attention without proof', mixtureOf(few, [4, 4, 0.5], [3, -3, 0.3], [3, 4, 0.2])],
  ['self-attention without proof, 2', mixtureOf(half, [-2, -2, 0.5], [2, 3, 0.3], [4, 2, 0.2])],
  ['no relevant token', mixtureOf({ relevantTokens: 0 }, [0, 0.5], [1, -0.6])],
  ['all relevant', mixtureOf({ relevantTokens: 10 }, [0, 0.5], [1, -0.6])],
  ['one line', mixtureOf({ correlation: 1, signalNorm: 0.7 }, [1, -1], [3, 2])],
  ['one line, opposite', mixtureOf({ correlation: -1, signalNorm: 2, positiveRate: 0.4 }, [0.5, 2], [-2, 2])],
  ['no context', mixtureOf({ contextNorm: 0 }, [1, -1], [3, 2])],
  ['no signal', mixtureOf({ signalNorm: 0, positiveRate: 0.3 }, [1, -1], [3, 2])],
  ['one label', mixtureOf({ positiveRate: 1 }, [1, 3], [2, 2], [-3, 0])],
  ...randomMixtures(14, 4).map((mixture, i) => [`random ${i}`, mixture] as const),
];

const effort: Record<ModelName, SearchEffort> = {
  promptAttention: { starts: 1500, climbs: 8, steps: 300 },
  linearAttention: { starts: 600, climbs: 6, steps: 200 },
  selfAttention: { starts: 6000, climbs: 8, steps: 300 },
  meanPooling: { starts: 1, climbs: 1, steps: 300 },
};
for (const [name, mixture] of bruteForceCases)
  test(`brute force reaches every ceiling and passes none: ${name}`, (t) => {
    const result = risk.separation({ mixture });
    for (const model of names) {
      const { accuracy, method } = result[model];
      t.true(methods.includes(method));
      const searched = searchedAccuracy(mixture, model, effort[model]);
      const text = `${model}: ${accuracy} (${method}), brute force ${searched}`;
      t.true(searched < accuracy + 1e-9, text);
      t.true(searched > accuracy - 1e-9, text);
    }
  });

test('prompt-attention is exact, in closed form, whenever every δq > −1', (t) => {
  for (const mixture of randomMixtures(30, 8)) {
    const confusion = (mixture.confusion ?? []).map((atom) => ({ ...atom, deltaQ: Math.abs(atom.deltaQ) - 0.999 }));
    const { promptAttention } = risk.separation({ mixture: { ...mixture, confusion } });
    t.deepEqual(promptAttention, { accuracy: 1, method: 'closed-form' });
  }
});

test('mean pooling on {(0,0), (Δ,Δ)}: ½ for Δ > ζ/(1−ζ), ¾ at it, 1 below', (t) => {
  for (const relevantTokens of [1, 3, 5, 8])
    for (const positiveRate of [0.5, 0.2]) {
      const edge = relevantTokens / (10 - relevantTokens);
      const at = (delta: number) =>
        ceilings(mixtureOf({ relevantTokens, positiveRate }, [0, 0], [delta, delta])).meanPooling;
      t.true(near(at(edge * 1.001), 0.5));
      t.true(near(at(edge), 0.75));
      t.is(at(edge * 0.999), 1);
    }
});

test('linear prompt-attention: ¾ on {(0,0), (Δ,−Δ)} for Δ² ≥ ζ/(1−ζ), 1 below; 1 on {(0,0), (Δ,Δ)}; any Q, W, ρ', (t) => {
  for (const relevantTokens of [1, 4, 8])
    for (const correlation of [0, 0.6, -0.9]) {
      const edge = Math.sqrt(relevantTokens / (10 - relevantTokens));
      const more = { relevantTokens, correlation, contextNorm: 2, signalNorm: 0.3 };
      const at = (deltaQ: number, deltaW: number) =>
        ceilings(mixtureOf(more, [0, 0], [deltaQ, deltaW])).linearAttention;
      t.is(at(edge * 1.001, -edge * 1.001), 0.75);
      t.is(at(edge * 0.999, -edge * 0.999), 1);
      for (const delta of [0.5, 1, 3, 20]) t.is(at(delta, delta), 1);
    }
});

/** c(κ) of the self-attention output r c(κ) where μ = −δ r, written out. */
function outputFactor(zeta: number, delta: number, kappa: number): number {
  const p1 = zeta / (zeta + (1 - zeta) * Math.exp(-(1 + delta) * kappa));
  const p2 = zeta / (zeta + (1 - zeta) * Math.exp((delta + delta ** 2) * kappa));
  return zeta * (p1 - (1 - p1) * delta) + (1 - zeta) * (p2 - (1 - p2) * delta);
}

test('self-attention on {(0,0), (Δ,Δ)} is at chance exactly where c(κ) < 0 for all κ', (t) => {
  for (const relevantTokens of [1, 3, 5, 7, 9])
    for (const factor of [0.9, 0.99, 1.001, 1.02, 1.03, 1.05, 1.1, 1.5]) {
      const zeta = relevantTokens / 10;
      const delta = factor * Math.max(zeta / (1 - zeta), (1 - zeta) / zeta);
      let largest = Number.NEGATIVE_INFINITY;
      for (let kappa = -40; kappa < 40; kappa += 0.001) largest = Math.max(largest, outputFactor(zeta, delta, kappa));
      const { selfAttention } = risk.separation({
        mixture: mixtureOf({ relevantTokens }, [0, 0], [delta, delta]),
      });
      t.deepEqual(selfAttention, { accuracy: largest < 0 ? 0.5 : 1, method: 'bracketed-maximisation' });
    }
  // Beyond both limits κ → ±∞ is not beyond the maximum in between if ζ < ½.
  t.is(ceilings(mixtureOf({ relevantTokens: 1 }, [0, 0], [9.2, 9.2])).selfAttention, 1);
});

test('self-attention on any list of δq = δw is the best of a dense scan over κ', (t) => {
  let reached = 0;
  const mixtures = randomMixtures(60, 15);
  for (const [i, mixture] of mixtures.entries()) {
    const confusion = (mixture.confusion ?? []).map((atom) => ({ ...atom, deltaQ: atom.deltaW * (1 + (i % 4)) }));
    const parallel = confusion.map((atom) => ({ ...atom, deltaW: atom.deltaQ }));
    const { accuracy, method } = risk.separation({ mixture: { ...mixture, confusion: parallel } }).selfAttention;
    t.is(method, 'bracketed-maximisation');
    const zeta = (mixture.relevantTokens as number) / mixture.tokens;
    let best = 0;
    for (let step = -6000; step <= 6000; ++step) {
      const kappa = Math.sinh(step / 600) / 100;
      const positive = parallel.reduce(
        (sum, { deltaQ, probability }) => sum + (outputFactor(zeta, deltaQ, kappa) > 0 ? probability : 0),
        0,
      );
      best = Math.max(best, positive, 1 - positive);
    }
    t.true(best < accuracy + 1e-12, JSON.stringify({ parallel, zeta, accuracy, best }));
    reached += near(best, accuracy) ? 1 : 0;
  }
  t.is(reached, mixtures.length);
});

test('the output of self-attention on (1, 1) at ζ = ½ is 0 whatever the weights: a tie', (t) => {
  t.is(ceilings(mixtureOf(half, [1, 1])).selfAttention, 0.5);
  t.is(ceilings(mixtureOf(half, [1, 1, 0.6], [2, 1, 0.4])).selfAttention, 0.7);
});

test('a mixture whose examples cannot be told apart limits every model', (t) => {
  for (const [mixture, expected] of [
    [mixtureOf({ ...half, positiveRate: 0.3 }, [-1, 1]), 0.7],
    [mixtureOf({ signalNorm: 0, positiveRate: 0.2 }, [0, 0]), 0.8],
    [mixtureOf({ relevantTokens: 0, positiveRate: 0.2 }, [1, 0]), 0.8],
    [mixtureOf({ contextNorm: 0, signalNorm: 0, positiveRate: 0.2 }, [1, 3]), 0.5],
  ] as const)
    for (const name of names) t.true(near(ceilings(mixture)[name], expected), name);
});

test('finite temperature can be needed: prompts that select tokens reach ¾, a finite one is exact', (t) => {
  const mixture = mixtureOf(half, [-3, 1], [1, 3]);
  t.is(ceilings(mixture).promptAttention, 1);
  // The same tokens with every score of the prompt beyond ±40: r or μ alone is seen.
  const selected = searchedAccuracy(mixture, 'promptAttention', { starts: 3000, climbs: 1, steps: 0, scale: 1e3 });
  t.is(selected, 0.75);
});

const symmetries: readonly (readonly [string, (mixture: ContextualMixtureOptions) => ContextualMixtureOptions])[] = [
  ['Q and W times 3', (m) => ({ ...m, contextNorm: 3 * m.contextNorm, signalNorm: 3 * m.signalNorm })],
  ['other Q, W and ρ', (m) => ({ ...m, contextNorm: 0.2, signalNorm: 5, correlation: -0.95 })],
  ['labels exchanged', (m) => ({ ...m, positiveRate: 1 - (m.positiveRate ?? 0.5) })],
  ['noise', (m) => ({ ...m, noiseLevel: 7, noise: 'uniform' })],
  ['ten times the tokens', (m) => ({ ...m, tokens: 10 * m.tokens, relevantTokens: 10 * (m.relevantTokens ?? 0) })],
  ['atoms in reverse', (m) => ({ ...m, confusion: [...(m.confusion ?? [])].reverse() })],
  [
    'every atom in two',
    (m) => ({
      ...m,
      confusion: (m.confusion ?? []).flatMap((atom) =>
        [0.5, 0.5].map((part) => ({ ...atom, probability: part * atom.probability })),
      ),
    }),
  ],
  [
    'an atom that never occurs',
    (m) => ({ ...m, confusion: [...(m.confusion ?? []), { deltaQ: -5, deltaW: 2, probability: 0 }] }),
  ],
];
for (const [name, change] of symmetries)
  test(`ceilings do not change with: ${name}`, (t) => {
    for (const mixture of randomMixtures(12, 23)) {
      const before = risk.separation({ mixture });
      const after = risk.separation({ mixture: change(mixture) });
      for (const model of names) {
        // A search may find another bound from another start; everything else is exact.
        if (before[model].method === 'lower-bound' || after[model].method === 'lower-bound') continue;
        t.true(near(before[model].accuracy, after[model].accuracy), `${model} ${JSON.stringify(mixture)}`);
      }
    }
  });

test('on a line, exchanging the labels also turns w⋆ round', (t) => {
  for (const mixture of randomMixtures(12, 31)) {
    const a = ceilings({ ...mixture, correlation: 1 });
    const b = ceilings({ ...mixture, correlation: -1, positiveRate: 1 - (mixture.positiveRate as number) });
    for (const name of names) t.true(near(a[name], b[name]), name);
  }
});

test('ceilings are ordered: attention includes mean pooling, and all are at least the chance of one label', (t) => {
  for (const mixture of randomMixtures(40, 42)) {
    const best = ceilings(mixture);
    t.true(best.promptAttention >= best.meanPooling - 1e-12);
    t.true(best.selfAttention >= best.meanPooling - 1e-12);
    for (const name of names) t.true(best[name] >= 0.5 - 1e-12 && best[name] <= 1, name);
  }
});

test('what is not exact has an upper bound, and nothing else has', (t) => {
  let bounded = 0;
  for (const mixture of randomMixtures(40, 77))
    for (const { accuracy, method, upperBound } of Object.values(risk.separation({ mixture }))) {
      t.is(upperBound !== undefined, method === 'lower-bound');
      if (upperBound === undefined) continue;
      ++bounded;
      t.true(upperBound > accuracy && upperBound <= 1);
    }
  t.true(bounded > 0);
});

test('many atoms end in time, and say that they are not enumerated', (t) => {
  const confusion = confusionOf(
    Array.from({ length: 24 }, (_, i) => [((i * 7) % 24) / 3 - 4, ((i * 11) % 24) / 2 - 6]),
  );
  const { promptAttention, linearAttention } = risk.separation({ mixture: { ...plain, confusion } });
  t.true(promptAttention.method === 'lower-bound' || promptAttention.method === 'attained-bound');
  t.is(linearAttention.method, 'enumeration');
});

test('bad options are named', (t) => {
  t.throws(() => risk.separation({} as never), { instanceOf: OptionTypeError, message: /^mixture must be/ });
  t.throws(() => risk.separation({ mixture: { ...plain, tokens: 2.5 } }), { message: /^mixture\.tokens must be/ });
  t.throws(() => risk.separation({ mixture: plain, draws: 3 } as never), { message: /^draws must be left out/ });
});
