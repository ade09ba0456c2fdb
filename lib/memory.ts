import { totalmem } from 'node:os';

/** Bytes that this process may use at all: the machine's memory, or the limit put on the process if that is lower. */
export function memoryLimit(): number {
  // 0 or undefined where there is no limit; a limit of a control group that is not set is beyond every memory.
  const constrained = process.constrainedMemory() as number | undefined;
  return Math.min(totalmem(), constrained === undefined || constrained <= 0 ? Number.POSITIVE_INFINITY : constrained);
}
