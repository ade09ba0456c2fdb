// Every function of the package called with nothing, and with arrays of another realm.
import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import * as prompt from '../../lib/index.js';

/** Functions by name, those of the namespaces and models too. */
function* functionsOf(value: object, path = ''): Generator<readonly [string, () => unknown]> {
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'function' && !/^class/.test(Function.prototype.toString.call(entry)))
      yield [path + key, () => entry()];
    else if (typeof entry === 'object' && entry !== null && path === '') yield* functionsOf(entry, `${key}.`);
  }
}

test('a call without arguments names what is missing', async (t) => {
  const complete = new Set(['engineInfo', 'measureLimits', 'text.readSpamAssassin']);
  let seen = 0;
  for (const [name, call] of functionsOf(prompt)) {
    if (complete.has(name)) continue;
    seen++;
    const error = await t.throwsAsync(async () => call(), undefined, name);
    t.regex(
      String((error as { code?: string } | undefined)?.code),
      /^ERR_(OPTION_TYPE|STUDY)$/,
      `${name}: ${error?.message}`,
    );
    t.regex(error?.message ?? '', / must be .*; got undefined/, name);
  }
  t.true(seen > 50, `${seen} functions`);
});

test('arrays, objects and signals of another realm are taken', async (t) => {
  const realm = createContext({ AbortController });
  const there = runInContext(
    `({
      features: new Float64Array([1, 0, 0, 1, -1, 0.5]), labels: new Float64Array([1, -1, 1]), head: { kind: 'least-squares', ridge: 0.1 },
      data: { tokens: new Float64Array(12).fill(0.5), labels: new Float64Array([1, -1]), relevance: new Uint8Array(6), dimension: 2 },
      parameters: { prompt: new Float64Array([0.3, 0.3]), head: new Float64Array([1, 2]) },
      signal: new AbortController().signal,
    })`,
    realm,
  );
  t.false(there.features instanceof Float64Array);
  const here = { features: Float64Array.from(there.features), labels: Float64Array.from(there.labels) };
  const signal: AbortSignal = there.signal;
  const found = await prompt.fitHead(there.features, there.labels, there.head, { signal });
  t.deepEqual(found, await prompt.fitHead(here.features, here.labels, { kind: 'least-squares', ridge: 0.1 }));
  t.is((await prompt.promptAttention.scores(there.parameters, there.data, { signal })).length, 2);
  await t.throwsAsync(async () => prompt.fitHead(there.labels, there.labels.subarray(0, 2), there.head), {
    name: 'OptionRangeError',
  });
});
