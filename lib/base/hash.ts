import { createHash } from 'node:crypto';

/** Options of a mixture that came later: with 0 the numbers are those from before. */
const kZeroIsAbsent: ReadonlySet<string> = new Set(['labelNoise', 'relevantNoiseLevel']);

/** JSON with sorted keys, so that equal values have equal text. Values must be plain JSON. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([name, option]) => option !== 0 || !kZeroIsAbsent.has(name))
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : part,
  );
}

/** First 128 bits of the SHA-256 of the canonical JSON of `value`, as four little-endian words. */
export function hashKey(value: unknown): Uint32Array {
  const digest = createHash('sha256').update(canonicalJson(value)).digest();
  return Uint32Array.from({ length: 4 }, (_, word) => digest.readUInt32LE(4 * word));
}
