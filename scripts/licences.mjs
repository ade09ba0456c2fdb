// `node scripts/licences.mjs [LOCK]`: the licences of everything that a user of the package may install, from the lock file. Fails if one is not on the list below.
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
const { packages } = JSON.parse(readFileSync(lock, 'utf8'));

/** Where the lock file has a dependency of the package at `path`, as Node looks for it; undefined if it is nowhere. */
function pathOf(name, path) {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const found = `${folder && `${folder}/`}node_modules/${name}`;
    if (found in packages) return found;
    if (folder === '') return undefined;
  }
}

/** The paths of what a user may install: also what only those install who want it, and what that depends on. */
function installed() {
  const paths = new Set(['']);
  for (const path of paths) {
    const { dependencies, optionalDependencies, peerDependencies } = packages[path];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = pathOf(name, path);
      if (found !== undefined) paths.add(found);
    }
  }
  paths.delete('');
  return paths;
}

const byLicence = new Map();
const refused = [];
for (const path of installed()) {
  const { license = 'none' } = packages[path];
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
