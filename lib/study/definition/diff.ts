import { plain } from './spec.js';
import type { StudySpec } from './study-options.js';

/** At most this many differences are listed. */
const kMostDifferences = 6;

/** The leaves of a plain JSON value by dotted path; arrays and empty objects are leaves. */
function leaves(value: unknown, path: string): Map<string, string> {
  const isBranch =
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
  if (!isBranch) return new Map([[path, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([name, part]) => [...leaves(part, path === '' ? name : `${path}.${name}`)]),
  );
}

/**
 * What differs between a stored study and another one, for a reader: `seed is 7, here 8; factors.examples is [40,80], here [40]`.
 * Empty if nothing does.
 */
export function specDifferences(stored: StudySpec, wanted: StudySpec): string {
  const [before, after] = [leaves(plain(stored), ''), leaves(plain(wanted), '')];
  const paths = [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
  const lines = paths
    .slice(0, kMostDifferences)
    .map((path) => `${path} is ${before.get(path) ?? 'not there'}, here ${after.get(path) ?? 'not there'}`);
  if (paths.length > lines.length) lines.push(`${paths.length - lines.length} more`);
  return lines.join('; ');
}
