/** Loads the addon in a process that may start no thread. Prints how many it started, and what became of the environment. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadAddon } from '../../lib/base/load-native.js';

const threads = () => Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=1']);
// The limit does not hold for root.
if (process.getuid?.() === 0) process.setuid?.(65534);
const before = threads();
loadAddon();
console.log(`${threads() - before} threads, OPENBLAS_NUM_THREADS ${process.env.OPENBLAS_NUM_THREADS}`);
