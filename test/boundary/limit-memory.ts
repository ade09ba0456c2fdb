import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Flags of a Node that runs TypeScript and is to be limited: newer versions reserve ten gigabytes of address space for the WebAssembly
 * of tsx, which no limit leaves room for.
 */
export const kLimited = ['--disable-wasm-trap-handler', '--import=tsx'];

/** Let this process map no more than `bytes` more than now, as `ulimit -v` would. */
export function limitMemory(bytes: number): void {
  const kilobytes = Number(/^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${1024 * kilobytes + bytes}`]);
}
