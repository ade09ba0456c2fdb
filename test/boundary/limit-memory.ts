import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Let this process map no more than `bytes` more than now, as `ulimit -v` would. */
export function limitMemory(bytes: number): void {
  const kilobytes = Number(/^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${1024 * kilobytes + bytes}`]);
}
