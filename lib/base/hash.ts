import { createHash } from 'node:crypto';

/** Whether an option is part of a key; by default every one is. */
export type IsKept = (name: string, option: unknown) => boolean;

/** JSON with sorted keys, so that equal values have equal text. Values must be plain JSON; options that are not kept are left out. */
export function canonicalJson(value: unknown, isKept: IsKept = () => true): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([name, option]) => isKept(name, option))
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : part,
  );
}

/** First 128 bits of the SHA-256 of the canonical JSON of `value`, as four little-endian words. */
export function hashKey(value: unknown, isKept?: IsKept): Uint32Array {
  const digest = createHash('sha256').update(canonicalJson(value, isKept)).digest();
  return Uint32Array.from({ length: 4 }, (_, word) => digest.readUInt32LE(4 * word));
}
