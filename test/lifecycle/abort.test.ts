import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { simulate, study } from '../../lib/index.js';
import { calls } from './calls.js';

const kMoments = Number(process.env.LIFECYCLE_MOMENTS ?? 8);

const unhandled: unknown[] = [];
const warnings: Error[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
process.on('warning', (warning) => warnings.push(warning));
test.after.always('no rejection went unhandled and no warning was printed', (t) => {
  t.deepEqual(unhandled, []);
  t.deepEqual(warnings, []);
});

/** A number in [0, 1) that depends on the words only. */
function fraction(...words: (string | number)[]): number {
  return createHash('sha256').update(words.join('/')).digest().readUInt32LE() / 2 ** 32;
}

/** What became of a promise. */
type Outcome = { readonly answer: unknown } | { readonly reason: unknown };
const outcomeOf = (promise: Promise<unknown>): Promise<Outcome> =>
  promise.then(
    (answer) => ({ answer }),
    (reason) => ({ reason }),
  );

/** The call has answered in full, or been rejected with the reason itself; in either case it no longer listens to the signal. */
function checkOutcome(
  t: ExecutionContext,
  outcome: Outcome,
  signal: AbortSignal,
  expected: unknown,
): 'answer' | 'reason' {
  t.is(getEventListeners(signal, 'abort').length, 0);
  if ('reason' in outcome) {
    t.true(signal.aborted);
    t.is(outcome.reason, signal.reason);
    return 'reason';
  }
  t.deepEqual(outcome.answer, expected);
  return 'answer';
}

const kReasons = [new Error('enough'), 'enough', null, 0, { enough: true }, undefined];

for (const [name, call] of Object.entries(calls)) {
  test.serial(`${name}: aborted before the call`, async (t) => {
    for (const reason of kReasons) {
      const signal = AbortSignal.abort(reason);
      t.is(checkOutcome(t, await outcomeOf(call({ long: true, signal })), signal, undefined), 'reason');
    }
  });

  test.serial(`${name}: aborted once or twice right after the call`, async (t) => {
    for (const reason of kReasons) {
      const controller = new AbortController();
      const outcome = outcomeOf(call({ long: true, signal: controller.signal }));
      controller.abort(reason);
      controller.abort('again');
      t.is(checkOutcome(t, await outcome, controller.signal, undefined), 'reason');
    }
  });

  test.serial(`${name}: aborted at any moment, at the end and after it`, async (t) => {
    const expected = await call({});
    const begin = performance.now();
    await call({});
    const duration = performance.now() - begin;
    const seen = { answer: 0, reason: 0 };
    for (let moment = 0; moment < kMoments; ++moment) {
      const controller = new AbortController();
      const outcome = outcomeOf(call({ signal: controller.signal }));
      const end = performance.now() + 1.5 * duration * fraction(name, moment);
      while (performance.now() < end) await nextTurn();
      controller.abort(kReasons[moment % kReasons.length]);
      seen[checkOutcome(t, await outcome, controller.signal, expected)] += 1;
      controller.abort('after the end');
    }
    // The abort in the very turn in which the addon has finished, but the promise is not yet settled, or just has been.
    for (let microtasks = 0; microtasks < 6; ++microtasks) {
      const controller = new AbortController();
      const outcome = outcomeOf(call({ signal: controller.signal }));
      const other = call({});
      await other;
      for (let i = 0; i < microtasks; ++i) await undefined;
      controller.abort();
      seen[checkOutcome(t, await outcome, controller.signal, expected)] += 1;
    }
    t.is(seen.answer + seen.reason, kMoments + 6);
    t.deepEqual(await call({}), expected);
  });

  test.serial(`${name}: long work is aborted, by a controller, a time limit and any of several signals`, async (t) => {
    const expected = await call({});
    for (let moment = 0; moment < 3; ++moment) {
      const controller = new AbortController();
      const outcome = outcomeOf(call({ long: true, signal: controller.signal }));
      await sleep(60 * fraction(name, 'long', moment));
      controller.abort();
      const result = await outcome;
      if ('reason' in result) t.is(result.reason, controller.signal.reason);
      t.is(getEventListeners(controller.signal, 'abort').length, 0);
      t.deepEqual(await call({}), expected);
    }
    const limit = AbortSignal.timeout(20);
    const limited = await outcomeOf(call({ long: true, signal: limit }));
    if ('reason' in limited) t.is((limited.reason as Error).name, 'TimeoutError');
    const controller = new AbortController();
    const any = AbortSignal.any([controller.signal, AbortSignal.timeout(1e6)]);
    const outcome = outcomeOf(call({ long: true, signal: any }));
    controller.abort(kReasons[0]);
    t.is(checkOutcome(t, await outcome, any, undefined), 'reason');
  });
}

const simulated = Object.entries(calls).filter(([name]) => /^simulate|^fit/.test(name) && name !== 'fitHead');
for (const [name, call] of simulated)
  test.serial(`${name}: aborted by its own progress, which may also throw`, async (t) => {
    const controller = new AbortController();
    const aborted = call({ long: true, signal: controller.signal, onProgress: () => controller.abort(kReasons[0]) });
    t.is(checkOutcome(t, await outcomeOf(aborted), controller.signal, undefined), 'reason');
    const failure = new Error('thrown by the listener');
    let times = 0;
    const onProgress = () => {
      times += 1;
      throw failure;
    };
    const { signal } = new AbortController();
    const thrown = await outcomeOf(call({ long: true, signal, onProgress }));
    t.deepEqual(thrown, { reason: failure });
    t.is(getEventListeners(signal, 'abort').length, 0);
    t.is(times, 1);
  });

const mixture = { tokens: 2, dimension: 5, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const trivial = { kind: 'three-step', mixture, examples: 1, stepSizes: [1, 1, 1] } as const;
const options = { trials: 1, seed: 1, testDraws: 1, threads: 1 };

test.serial('one signal serves 10,000 calls in turn and 1,000 at once, and keeps nothing of them', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const expected = await simulate(trivial, options);
  for (let call = 0; call < 10_000; ++call) await simulate(trivial, { ...options, signal });
  t.is(getEventListeners(signal, 'abort').length, 0);
  const answers = await Promise.all(Array.from({ length: 1000 }, () => simulate(trivial, { ...options, signal })));
  for (const answer of answers) t.deepEqual(answer, expected);
  t.is(getEventListeners(signal, 'abort').length, 0);
  const long = Array.from({ length: 1000 }, () => outcomeOf(simulate(trivial, { ...options, trials: 1e8, signal })));
  controller.abort(kReasons[0]);
  for (const outcome of await Promise.all(long)) t.deepEqual(outcome, { reason: kReasons[0] });
  t.deepEqual(await simulate(trivial, options), expected);
});

test.serial('work that waits behind other work is given up at once when it is aborted', async (t) => {
  const busy = new AbortController();
  t.teardown(() => busy.abort());
  // Units that end only when they are aborted, one for each of the threads that the pool then has, and more.
  const request = { ...options, trials: 1000, threads: 64, testDraws: 2 ** 31 - 1, signal: busy.signal };
  const holding = outcomeOf(simulate(trivial, request));
  // Workers that have not begun a unit yet may still answer.
  for (;;) {
    const waiting = new AbortController();
    const outcome = outcomeOf(simulate(trivial, { ...options, signal: waiting.signal }));
    if ((await Promise.race([outcome, sleep(200)])) !== undefined) continue;
    waiting.abort(kReasons[0]);
    const result = await outcome;
    if ('answer' in result) continue;
    t.deepEqual(result, { reason: kReasons[0] });
    break;
  }
  busy.abort();
  t.deepEqual(await holding, { reason: busy.signal.reason });
});

test.serial('a study is aborted at any moment and continued to the same rows', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const spec: study.StudyOptions = {
    name: 'aborted',
    seed: 1,
    experiment: {
      kind: 'known-prompt',
      mixture: { ...mixture, dimension: 40 },
      examples: 60,
      head: { kind: 'least-squares' },
    },
    factors: { inverseTemperature: [0, 0.5, 1, 2], 'mixture.signalNorm': [0.5, 1, 1.5] },
    trials: 300,
  };
  const comparable = ({ rows }: study.StudyResult) => rows.map(({ wallSeconds: _, ...row }) => row);
  const begin = performance.now();
  const whole = comparable(await study.run(spec, { out: join(folder, 'whole.sqlite') }));
  const duration = performance.now() - begin;
  const out = join(folder, 'aborted.sqlite');
  for (let moment = 0; moment < kMoments; ++moment) {
    const controller = new AbortController();
    const outcome = outcomeOf(study.run(spec, { out, signal: controller.signal }));
    await sleep(0.4 * duration * fraction('study', moment));
    controller.abort(kReasons[moment % kReasons.length]);
    const result = await outcome;
    t.is(getEventListeners(controller.signal, 'abort').length, 0);
    if ('reason' in result) t.is(result.reason, controller.signal.reason);
    else t.deepEqual(comparable(result.answer as study.StudyResult), whole);
  }
  t.true(existsSync(out));
  t.deepEqual(comparable(await study.run(spec, { out })), whole);
});
