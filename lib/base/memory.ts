import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Address space that is left to what is no trial: results, and the JavaScript heap, whose failure would end the process. */
const kReserve = 256 * 2 ** 20;

function readProcess(file: string): string {
  try {
    return readFileSync(`/proc/self/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Bytes of address space that this process was given (ulimit -v). */
const addressSpace = Number(/^Max address space\s+(\d+)/m.exec(readProcess('limits'))?.[1] ?? Number.POSITIVE_INFINITY);

function addressSpaceLeft(): number {
  if (addressSpace === Number.POSITIVE_INFINITY) return addressSpace;
  const kilobytes = Number(/^VmSize:\s+(\d+)/m.exec(readProcess('status'))?.[1]);
  return Math.max(addressSpace - 1024 * kilobytes - kReserve, 0);
}

/**
 * Bytes that this process may use: the machine's memory, or the limit put on the process if that is lower; of a limit of address
 * space what is left.
 */
export function memoryLimit(): number {
  // 0 or undefined where there is no limit; a limit of a control group that is not set is beyond every memory.
  const constrained = process.constrainedMemory() as number | undefined;
  const most = constrained === undefined || constrained <= 0 ? Number.POSITIVE_INFINITY : constrained;
  return Math.min(totalmem(), most, addressSpaceLeft());
}
