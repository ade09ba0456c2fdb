// `node scripts/licences.mjs [LOCK]`: the licences of everything that `npm install prompt-attention` may install, from the lock
// file. Fails if one is not on the list below.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Licences that ask for no more than to keep their text; MPL-2.0 is for its own files, which are used as they come. */
const kAccepted = new Set([
  '(BSD-2-Clause OR MIT OR Apache-2.0)',
  '(MIT OR CC0-1.0)',
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MPL-2.0',
  'Unlicense',
]);
/** Packages that name their licence in words: dejavu-fonts-ttf has that of the Bitstream Vera fonts, as permissive as MIT. */
const kAcceptedPackages = new Set(['dejavu-fonts-ttf']);

const lock = process.argv[2] ?? fileURLToPath(new URL('../package-lock.json', import.meta.url));
const byLicence = new Map();
const refused = [];
for (const [path, { dev, license = 'none' }] of Object.entries(JSON.parse(readFileSync(lock, 'utf8')).packages)) {
  if (path === '' || dev) continue;
  const name = path.split('node_modules/').at(-1);
  byLicence.set(license, [...(byLicence.get(license) ?? []), name]);
  if (!kAccepted.has(license) && !kAcceptedPackages.has(name)) refused.push(`${name}: ${license}`);
}
for (const [licence, names] of [...byLicence].sort(([, a], [, b]) => b.length - a.length))
  console.log(`${String(names.length).padStart(4)} ${licence}: ${names.join(', ')}`);
if (refused.length > 0) {
  console.error(`not accepted: ${refused.join(', ')}`);
  process.exitCode = 1;
}
