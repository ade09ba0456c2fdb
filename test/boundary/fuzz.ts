// Calls functions with requests in which something is hostile, and expects a typed error or a right answer:
//
//   node --import=tsx test/boundary/fuzz.ts --target native|public [--runs N] [--seed N] [--huge]
//
// Right: an answer to a request that still means what it meant is bit-identical to the answer to the request itself. Every answer
// to another request has shares in [0, 1] where it should. Work that takes long is cancelled, and must then end. At the end every
// unchanged request must give its first answer again. --huge adds sizes larger than any memory; the process then gives itself a limit
// of address space. Prints one line of JSON that counts what happened.
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { arraysOf, type Mutation, mutations, trap } from './hostile.js';
import { limitMemory } from './limit-memory.js';
import { type Call, isCancellation, type Target } from './targets.js';

const kPatience = 15;
const kLongestWait = 30_000;
// Sizes are such that requests need less than half of it, or more than all.
const kMemory = 6 * 2 ** 30;

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'native' },
    runs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '7' },
    huge: { type: 'boolean', default: false },
  },
});
const { targets } = (await import(`./${values.target}-targets.js`)) as { targets: Readonly<Record<string, Target>> };

const isPlain = (value: unknown): value is Record<string, unknown> =>
  value !== null &&
  typeof value === 'object' &&
  [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value));

/** A copy of its own of everything that a mutation may touch. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (isPlain(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]));
  return ArrayBuffer.isView(value) ? (value as Float64Array).slice() : value;
}

function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (!isPlain(value)) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

/** Change the field at `path` of the request, or the request itself. False if an earlier mutation stands in the way. */
function applied(root: { request: unknown }, path: readonly string[], mutation: Mutation): boolean {
  try {
    const keys = ['request', ...path];
    const parent = keys.slice(0, -1).reduce((value: unknown, key) => (value as Record<string, unknown>)[key], root);
    mutation.apply(parent as Record<string, unknown>, keys.at(-1) as string, root.request as object);
    return true;
  } catch {
    return false;
  }
}

/** Whatever an answer holds, as text, with every bit of its numbers. */
function fingerprint(answer: unknown): string {
  return JSON.stringify(answer, (_, value) =>
    ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
      : typeof value === 'number'
        ? `${Object.is(value, -0) ? '-' : ''}${value}`
        : value,
  );
}

const hasBadShare = (answer: unknown): boolean =>
  answer !== null &&
  typeof answer === 'object' &&
  Object.entries(answer).some(([key, value]) => {
    if (key !== 'error' && key !== 'relevantAttention' && key !== 'accuracy')
      return !ArrayBuffer.isView(value) && hasBadShare(value);
    return (typeof value === 'number' ? [value] : [...(arraysOf(value)[0] ?? [])]).some(
      (share) => share < -1e-12 || share > 1 + 1e-12,
    );
  });

async function settled({ promise, cancel }: Call): Promise<{ answer: unknown; cancelled: boolean }> {
  let cancelled = false;
  let late: NodeJS.Timeout | undefined;
  let giveUp: (error: Error) => void = () => {};
  const never = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const impatient = setTimeout(() => {
    cancelled = true;
    cancel();
    late = setTimeout(() => giveUp(new Error('the work went on after it was cancelled')), kLongestWait);
  }, kPatience);
  try {
    return { answer: await Promise.race([promise, never]), cancelled };
  } catch (error) {
    if (cancelled && isCancellation(error)) return { answer: undefined, cancelled };
    throw error;
  } finally {
    clearTimeout(impatient);
    clearTimeout(late);
  }
}

if (values.huge) limitMemory(kMemory);

const counts = {
  cases: 0,
  answers: 0,
  same: 0,
  cancelled: 0,
  trap: 0,
  TypeError: 0,
  RangeError: 0,
  ConvergenceError: 0,
};

const firstAnswers = new Map<string, string>();
for (const [name, target] of Object.entries(targets)) {
  const answer = fingerprint(await target.call(copyOf(target.request) as never).promise);
  firstAnswers.set(name, answer);
}

const placesIn = ({ request, isArgument }: Target) => pathsOf(request).slice(isArgument ? 0 : 1);
const cases = Object.entries(targets).flatMap(([name, target]) => placesIn(target).map((path) => ({ name, path })));
const plan = fc.record({
  place: fc.constantFrom(...cases),
  mutation: mutations(values.huge),
  more: fc.array(fc.tuple(fc.nat(), mutations(values.huge)), { maxLength: 2, size: 'max' }),
  single: fc.boolean(),
});

await fc.assert(
  fc.asyncProperty(plan, async ({ place: { name, path }, mutation, more, single }) => {
    const target = targets[name] as Target;
    const root = { request: copyOf(target.request) };
    const paths = placesIn(target);
    if (!applied(root, path, mutation)) throw new Error('the request was not changed');
    const others = (single ? [] : more).filter(([at, other]) =>
      applied(root, paths[at % paths.length] as string[], other),
    );
    const same = mutation.same && others.every(([, other]) => other.same);
    ++counts.cases;
    try {
      const { answer, cancelled } = await settled(target.call(root.request as never));
      if (cancelled) ++counts.cancelled;
      else if (same && target.repeatable) {
        ++counts.same;
        if (fingerprint(answer) !== firstAnswers.get(name)) throw new Error(`another answer: ${fingerprint(answer)}`);
      } else if (hasBadShare(answer)) throw new Error(`not a share: ${fingerprint(answer)}`);
      ++counts.answers;
    } catch (error) {
      if (error === trap) ++counts.trap;
      else if (!target.isTyped(error)) throw error;
      else if (error instanceof TypeError) ++counts.TypeError;
      else if (error instanceof RangeError) ++counts.RangeError;
      else ++counts.ConvergenceError;
    }
  }),
  {
    seed: Number(values.seed),
    numRuns: Number(values.runs),
    reporter: ({ failed, counterexample, errorInstance }) => {
      if (!failed || !counterexample) return;
      const [{ place, mutation, more, single }] = counterexample;
      const paths = placesIn(targets[place.name] as Target);
      const others = single ? [] : more.map(([at, other]) => [paths[at % paths.length]?.join('.'), other.name]);
      console.error(place.name, [place.path.join('.'), mutation.name], ...others, errorInstance);
      process.exit(1);
    },
  },
);

for (const [name, target] of Object.entries(targets)) {
  const answer = fingerprint(await target.call(copyOf(target.request) as never).promise);
  if (target.repeatable && answer !== firstAnswers.get(name))
    throw new Error(`${name} gives another answer than at first`);
}
console.log(JSON.stringify(counts));
