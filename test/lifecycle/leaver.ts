/** Leaves the process in the way that the first argument names, after the milliseconds of the second, in the middle of work. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const [way, milliseconds] = process.argv.slice(2) as [string, string];
if (way === 'exit listener that throws')
  process.on('exit', () => {
    throw new Error('thrown by a listener');
  });

const { simulate } = await import('../../lib/index.js');
const mixture = { tokens: 8, dimension: 400, relevantTokens: 2, contextNorm: 1, signalNorm: 1 };
const head = { kind: 'least-squares' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 4000, inverseTemperature: 0.5, head } as const;
const short = { ...experiment, mixture: { ...mixture, dimension: 20 }, examples: 60 };
const work = (onProgress?: () => void) => simulate(experiment, { trials: 100_000, seed: 1, onProgress });
const answer = async () => (await simulate(short, { trials: 5, seed: 1 })).trials;
const later = (leave: () => void) => setTimeout(leave, Number(milliseconds));

switch (way) {
  case 'exit':
    work();
    later(() => process.exit(3));
    break;
  case 'exit from progress':
    work(() => process.exit(4));
    break;
  case 'exit from a signal listener':
    process.once('SIGTERM', () => process.exit(5));
    work();
    later(() => process.kill(process.pid, 'SIGTERM'));
    break;
  case 'exception':
    work();
    later(() => {
      throw new Error('thrown by a timer');
    });
    break;
  case 'rejection':
    work();
    later(() => Promise.reject(new Error('rejected by a timer')));
    break;
  case 'SIGTERM':
  case 'SIGINT':
  case 'SIGKILL':
    work();
    later(() => process.kill(process.pid, way));
    break;
  case 'exit listener that throws':
    work();
    later(() => process.exit(0));
    break;
  case 'exit without listeners':
    work();
    later(() => {
      process.removeAllListeners('exit');
      process.exit(6);
    });
    break;
  case 'call from an exit listener':
    work();
    process.on('exit', () => void work());
    later(() => process.exit(8));
    break;
  case 'exit event without an exit': {
    const pending = simulate(experiment, { trials: 30, seed: 1 });
    later(async () => {
      process.emit('exit', 0);
      console.log((await pending).trials, await answer());
    });
    break;
  }
  case 'work from beforeExit':
    process.once('beforeExit', () => answer().then(console.log));
    break;
  case 'pending work':
    answer().then(console.log);
    break;
  case 'no pending work':
    console.log(await answer());
    break;
  case 'exit while workers work': {
    const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
    const { calls, requestsOf } = await import('./calls.js');
    const requests = await requestsOf(() => calls['simulate known-prompt']?.({}) as Promise<unknown>);
    const workerData = { addon, requests, role: 'work' };
    const script = fileURLToPath(new URL('worker.cjs', import.meta.url));
    const workers = Array.from({ length: 4 }, () => new Worker(script, { workerData, execArgv: [] }));
    for (const worker of workers) worker.once('online', () => later(() => process.exit(9)));
    break;
  }
}
