import { type NativeJob, native } from '../../lib/base/native.js';
import { requests } from './requests.js';
import { type Call, callOf, type Target } from './targets.js';

const isTyped = (error: unknown) =>
  error instanceof TypeError ||
  error instanceof RangeError ||
  (error as { readonly code?: unknown }).code === 'ERR_CONVERGENCE';

type Entry = keyof typeof requests;

/** Functions whose answers differ from call to call: measurements, and names of what is held. */
const unrepeatable: readonly Entry[] = ['measureLimit', 'holdTokens', 'dropTokens'];

const isJob = (value: unknown): value is NativeJob<unknown> =>
  value !== null && typeof value === 'object' && 'cancel' in value && 'promise' in value;

function start(entry: string, ...parameters: readonly unknown[]): Call {
  let job: unknown;
  const call = callOf(
    () => {
      job = Reflect.apply(native[entry as Entry], undefined, parameters);
      return isJob(job) ? job.promise : job;
    },
    () => {
      if (isJob(job)) job.cancel();
    },
  );
  return call;
}

const words = { counter: Uint32Array.of(1, 2, 3, 4), key: Uint32Array.of(5, 6) };
const functions: Readonly<Record<string, Target>> = {
  philox4x32: {
    request: words,
    isArgument: false,
    repeatable: true,
    isTyped,
    call: ({ counter, key }: typeof words) => start('philox4x32', counter, key),
  },
  firstNonFinite: {
    request: { array: Float64Array.of(1, 2, Number.NaN) },
    isArgument: false,
    repeatable: true,
    isTyped,
    call: ({ array }: { array: Float64Array }) => start('firstNonFinite', array),
  },
  // Not among the requests: the name depends on the machine, and worker-only.ts reads those without the addon.
  forceSimdTarget: {
    request: { target: native.engineInfo().simdTarget },
    isArgument: true,
    repeatable: true,
    isTyped,
    call: (request: object) => start('forceSimdTarget', request),
  },
  describe: {
    request: {},
    isArgument: true,
    repeatable: true,
    isTyped,
    call: (request: object) => start('describe', request),
  },
  engineInfo: {
    request: {},
    isArgument: true,
    repeatable: true,
    isTyped,
    call: (request: object) => start('engineInfo', request),
  },
};

/** Every function that the addon exports. */
export const targets: Readonly<Record<string, Target>> = {
  ...functions,
  ...Object.fromEntries(
    Object.entries(requests).map(([entry, request]) => [
      entry,
      {
        request,
        isArgument: true,
        repeatable: !unrepeatable.includes(entry as Entry),
        isTyped,
        call: (hostile: unknown) => start(entry, hostile),
      },
    ]),
  ),
};

const missing = Object.entries(native).flatMap(([name, value]) =>
  typeof value === 'function' && !(name in targets) ? [name] : [],
);
if (missing.length > 0) throw new Error(`no request for ${missing.join(', ')}`);
