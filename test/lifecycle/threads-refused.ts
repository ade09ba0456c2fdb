/** Asks for threads that the system refuses: for the first one (`none`) or for more than fit (`some`). Prints what became of the calls. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { simulate } from '../../lib/index.js';

const mixture = { tokens: 2, dimension: 5, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const experiment = { kind: 'three-step', mixture, examples: 10, stepSizes: [1, 1, 1] } as const;
const call = (threads: number) => simulate(experiment, { trials: 2000, seed: 1, threads });

function status(field: 'VmSize' | 'Threads'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

const limit = (setting: string) => execFileSync('prlimit', ['--pid', String(process.pid), setting]);

if (process.argv[2] === 'none') {
  limit('--nproc=1');
  // The limit does not hold for root.
  if (process.getuid?.() === 0) process.setuid?.(65534);
  console.log(await call(1).catch(({ code, message }) => `${code}: ${message.replace(/: .*/, '')}`));
} else {
  const before = status('Threads');
  // Room for the stacks of some.
  limit(`--as=${1024 * status('VmSize') + 600 * 2 ** 20}:unlimited`);
  const answer = await call(1024);
  const started = status('Threads') - before;
  console.log(started > 1 && started < 1000 ? 'some threads' : `${started} threads`);
  limit('--as=unlimited');
  console.log(isDeepStrictEqual(await call(1024), answer) ? 'the same answer' : 'another answer');
  console.log(status('Threads') - before > 1000 ? 'all threads' : `${status('Threads') - before} threads`);
}
