import { createHash } from 'node:crypto';
import test from 'ava';
import { kLimited } from '../boundary/limit-memory.js';
import { runProgram } from './programs.js';

const kRounds = Number(process.env.LIFECYCLE_ROUNDS ?? 2);
const kWorkers = Number(process.env.LIFECYCLE_WORKERS ?? 80);

function milliseconds(...words: (string | number)[]): number {
  return Math.floor((150 * createHash('sha256').update(words.join('/')).digest().readUInt32LE()) / 2 ** 32);
}

/** How a process must end: its exit code or the signal that killed it, and what it prints. */
const ways: Readonly<Record<string, { end: number | NodeJS.Signals; stdout?: string; stderr?: RegExp }>> = {
  exit: { end: 3 },
  'exit from progress': { end: 4 },
  'exit from a signal listener': { end: 5 },
  'exit without listeners': { end: 6 },
  'exit while workers work': { end: 9 },
  'call from an exit listener': { end: 8 },
  'exit listener that throws': { end: 0, stderr: /thrown by a listener/ },
  exception: { end: 1, stderr: /thrown by a timer/ },
  rejection: { end: 1, stderr: /rejected by a timer/ },
  SIGTERM: { end: 'SIGTERM' },
  SIGINT: { end: 'SIGINT' },
  SIGKILL: { end: 'SIGKILL' },
  'exit event without an exit': { end: 0, stdout: '30 5\n' },
  'work from beforeExit': { end: 0, stdout: '5\n' },
  'pending work': { end: 0, stdout: '5\n' },
  'no pending work': { end: 0, stdout: '5\n' },
};

for (const [way, { end, stdout = '', stderr = /^$/ }] of Object.entries(ways))
  test.serial(`a process ends as it is meant to: ${way}`, async (t) => {
    for (let round = 0; round < kRounds; ++round) {
      const result = await runProgram('leaver.ts', [way, milliseconds(way, round)]);
      t.is(result.signal ?? result.code, end, result.stderr);
      t.is(result.stdout, stdout);
      t.regex(result.stderr, stderr);
    }
  });

test.serial('worker threads end in every way while others and the main thread answer', async (t) => {
  const { code, stdout, stderr } = await runProgram('worker-storm.ts', [kWorkers, 1]);
  t.is(stderr, '');
  t.is(code, 0);
  const each = kWorkers / 8;
  t.deepEqual(JSON.parse(stdout), {
    'main thread: right answers': 1,
    'answer: right answers, 0': each,
    'work: ': 3 * each,
    'exit: 7': each,
    'forget: 0': each,
    'throw: thrown in a worker, 1': each,
    'fill: ERR_WORKER_OUT_OF_MEMORY, 1': each,
  });
});

test.serial('the addon loads and works in worker threads only, again and again', async (t) => {
  const { code, stdout, stderr } = await runProgram('worker-only.ts', [20]);
  t.is(stderr, '');
  t.is(code, 0);
  t.is(stdout, '20 right answers\n');
});

test.serial('a thread that cannot be had is an error only if there is none', async (t) => {
  const none = await runProgram('threads-refused.ts', ['none']);
  t.is(none.stderr, '');
  t.is(none.stdout, 'ERR_NATIVE: no thread could be started\n');
  t.is(none.code, 0);
  const some = await runProgram('threads-refused.ts', ['some'], { flags: kLimited });
  t.is(some.stderr, '');
  t.is(some.stdout, 'some threads\nthe same answer\nall threads\n');
  t.is(some.code, 0);
});

test.serial('loading the addon starts no thread, whatever the environment says, and leaves it as it was', async (t) => {
  // OpenBLAS looks at the variable, then at how many processors there are.
  const env = { ...process.env, OPENBLAS_NUM_THREADS: '2' };
  const { code, stdout, stderr } = await runProgram('loading-threads.ts', [], { env });
  t.is(stderr, '');
  t.is(stdout, '0 threads, OPENBLAS_NUM_THREADS 2\n');
  t.is(code, 0);
  const { OPENBLAS_NUM_THREADS: _, ...without } = env;
  t.is(
    (await runProgram('loading-threads.ts', [], { env: without })).stdout,
    '0 threads, OPENBLAS_NUM_THREADS undefined\n',
  );
});

test.serial('two copies of the package work in one process, and one loaded twice is one', async (t) => {
  const { code, stdout, stderr } = await runProgram('copies.ts');
  t.is(stderr, '');
  t.is(code, 0);
  t.deepEqual(JSON.parse(stdout), {
    images: 2,
    mainThread: 'equal answers',
    workers: 'equal answers',
    aborted: 'AbortError',
    sameFile: true,
  });
});

test.serial(
  'files are read and addresses found while every thread of the addon is busy, also with one thread of libuv',
  async (t) => {
    for (const size of ['4', '1']) {
      const env = { ...process.env, UV_THREADPOOL_SIZE: size };
      const { code, stdout, stderr } = await runProgram('responsive.ts', [], { env });
      t.is(stderr, '');
      t.is(code, 0);
      t.is(stdout, 'before the work\n20 jobs aborted\n');
    }
  },
);

test.serial(
  'a thousand threads use OpenBLAS, which ends the process when more are inside than it has room for',
  async (t) => {
    const { code, stdout, stderr } = await runProgram('many-callers.ts');
    t.is(stderr, '');
    t.is(code, 0);
    t.is(stdout, '1000 threads\n');
  },
);
