// The short form of `npm run audit`: fixed settings, references that share no kernel with the package.
import test from 'ava';
import { fitHead, type HeadOptions, risk, testError } from '../../lib/index.js';
import { averaging, fixedPoint, nodesOf, plainLeastSquares } from './reference/fixed-point.js';
import { exactHinge, exactLeastSquares, exactLogistic } from './reference/heads.js';
import { parametersOf } from './reference/mixture.js';
import { upperTail } from './reference/normal.js';
import { Stream } from './reference/random.js';
import { tailReference } from './reference/tail.js';

const core = {
  correlation: 0,
  noiseLevel: 1,
  positiveRate: 0.5,
  confusion: [{ deltaQ: 0, deltaW: 0, probability: 1 }],
};

test('the normal tail of the audit has its digits', (t) => {
  t.true(Math.abs(upperTail(1) / 0.15865525393145705 - 1) < 1e-14);
  t.true(Math.abs(upperTail(2.6) / 0.004661188023718732 - 1) < 1e-13);
  t.true(Math.abs(upperTail(10) / 7.61985302416052e-24 - 1) < 1e-13);
});

test('test errors that rare scores carry agree with quadrature and with wide importance sampling', async (t) => {
  for (const [tokens, relevantTokens, contextNorm, signalNorm, tau, right] of [
    [2, 1, 5, 1, 1, 1.1375e-7],
    [2, 1, 6, 1, 1, 3.921e-10],
    [2, 1, 1, 40, 0.5, 3.069e-12],
    [32, 8, 2, 3, 0.5, 8.658e-6],
    [32, 8, 2, 8, 0.5, 5.803e-8],
  ] as const) {
    const setting = { ...core, tokens, relevantTokens, contextNorm, signalNorm };
    const [prompt, head] = [Float64Array.of(tau * contextNorm, 0), Float64Array.of(0, 1)];
    const reference = tailReference(setting, parametersOf(prompt, head), 20_000);
    const quadrature = reference.standardError === 0;
    t.true(Math.abs(reference.value / right - 1) < (quadrature ? 1e-3 : 0.2), `${tokens} tokens, W = ${signalNorm}`);
    const { error, standardError } = await testError({ mixture: { ...setting, dimension: 2 }, prompt, head });
    t.true(Math.abs(error - right) < 4 * standardError + 2e-3 * right, `${error} ± ${standardError}, right ${right}`);
  }
});

const twoClusters = [0.5, 1.5].flatMap((tau) =>
  (
    [
      { kind: 'averaging' },
      { kind: 'least-squares', ridge: 0 },
      { kind: 'least-squares', ridge: 0.1 },
      { kind: 'hinge', ridge: 0.2 },
      { kind: 'logistic', ridge: 1 },
    ] as Exclude<HeadOptions, { kind: 'weighted-averaging' }>[]
  ).map((head) => ({ tau, head })),
);

test('laws of two tokens agree with quadrature', async (t) => {
  for (const { tau, head } of twoClusters) {
    const setting = { ...core, tokens: 2, relevantTokens: 1, contextNorm: 1.5, signalNorm: 0.8, correlation: 0.3 };
    const nodes = nodesOf(setting, tau, { step: 1 / 4 });
    const ridge = 'ridge' in head ? (head.ridge ?? 0) : 0;
    const reference =
      head.kind === 'averaging'
        ? averaging(nodes, 6)
        : ridge === 0
          ? plainLeastSquares(nodes, 6)
          : fixedPoint(nodes, head.kind === 'least-squares' ? 'square' : head.kind, 6, ridge);
    t.true(reference.residual < 1e-8);
    const got = await risk.knownPrompt({
      mixture: { ...setting, dimension: 2 },
      inverseTemperature: tau,
      head,
      sampleRatio: 6,
    });
    const z = (got.error - reference.error) / got.standardError;
    t.true(Math.abs(z) < 4, `${JSON.stringify(head)} at τ = ${tau}: ${got.error}, right ${reference.error}, z = ${z}`);
    t.true(Math.abs(got.headNorm / Math.hypot(reference.w1, reference.w2, reference.r) - 1) < 5e-3);
  }
});

test('heads agree with double-double arithmetic where scales spread over six decades', async (t) => {
  const stream = new Stream(3);
  for (const [n, d] of [
    [20, 8],
    [8, 16],
  ] as const) {
    const labels = Float64Array.from({ length: n }, () => (stream.uniform() < 0.5 ? 1 : -1));
    const features = new Float64Array(n * d);
    for (let i = 0; i < n; i++) {
      const scale = n > d ? 10 ** -(6 * stream.uniform()) : 1;
      for (let j = 0; j < d; j++) features[i * d + j] = scale * stream.normal() + (j === 0 ? (labels[i] as number) : 0);
    }
    for (const [kind, ridge, exact] of [
      ['least-squares', 0, exactLeastSquares],
      ['least-squares', 0.1, exactLeastSquares],
      ['logistic', 1e-3, exactLogistic],
      ['hinge', 1e-3, exactHinge],
    ] as const) {
      const right = exact(features, labels, ridge);
      if (right === null) return t.fail(`${kind} has no reference`);
      const { head, status } = await fitHead(features, labels, { kind, ridge });
      t.is(status, 'ok', kind);
      const miss = Math.hypot(...head.map((x, j) => x - (right[j] as number))) / Math.hypot(...right);
      t.true(miss < 1e-6, `${kind}, ridge ${ridge}, ${n}×${d}: off by ${miss}`);
    }
  }
});
