// The rooms of the house: each may use its own files and those of the rooms listed before it, and no others. Circles are for
// dependency-cruiser, which `npm run lint` runs too.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folders of native/, lowest first. */
const kNativeRooms = [
  'core/base',
  'core/losses',
  'core/random',
  'core/attention',
  'core/mixture',
  'core/test_error',
  'core/heads',
  'core/models',
  'core/lazy',
  'core/trials',
  'core/laws',
  'core/dynamics',
  'core/images',
  'core/text',
  'core/machine',
  'addon/runtime',
  'addon/reading',
  'addon/entries',
];
/** Folders of lib/, lowest first. An `index.ts` says what is public of its room: it may name anything. */
const kLibraryRooms = [
  'base',
  'formats',
  'mixture',
  'models',
  'heads',
  'training',
  'real-data',
  'images',
  'text',
  'experiments',
  'risk',
  'images/experiments',
  'simulation',
  'study',
  'report',
  'extrapolation',
  'complexity',
  'explore',
  'cluster',
  'cli',
];
const kMostFiles = 25;
const kMostLines = 400;

/** All folders of one, itself among them. */
const foldersBelow = (folder) => [
  folder,
  ...readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name)),
];
/** All files of a folder and those below it. */
const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The room of a file of lib/: the longest one that it is in; -1 for none. */
function libraryRoom(path) {
  const inside = kLibraryRooms.filter((room) => path.startsWith(`lib/${room}/`));
  return kLibraryRooms.indexOf(inside.sort((a, b) => b.length - a.length)[0]);
}

const complaints = [];
const listed = new Set(readFileSync('native/sources.txt', 'utf8').trimEnd().split('\n'));

for (const top of ['core', 'addon'])
  for (const entry of readdirSync(`native/${top}`))
    if (!kNativeRooms.includes(`${top}/${entry}`))
      complaints.push(`native/${top}/${entry} is no room of scripts/check-rooms.mjs`);

for (const [level, room] of kNativeRooms.entries()) {
  for (const file of readdirSync(`native/${room}`)) {
    const path = `native/${room}/${file}`;
    if (path.endsWith('.cpp') && !listed.delete(path)) complaints.push(`${path} is not in native/sources.txt`);
    const text = readFileSync(path, 'utf8');
    if (room.startsWith('core/') && text.includes('napi.h')) complaints.push(`${path} knows N-API`);
    for (const [, included, folder] of text.matchAll(/^#include "((.*)\/[^/]*)"/gm)) {
      const other = kNativeRooms.indexOf(folder);
      if (other < 0) complaints.push(`${path} includes ${included}, which is in no room`);
      if (other > level) complaints.push(`${path} includes ${included}, of a room above its own`);
    }
  }
}
for (const path of filesBelow('lib')) {
  const level = libraryRoom(path);
  if (level < 0 && path !== 'lib/index.ts') complaints.push(`${path} is in no room`);
  if (path.endsWith('/index.ts')) continue;
  for (const [, used] of readFileSync(path, 'utf8').matchAll(/\b(?:from|import\()\s*'(\.[^']+)'/g)) {
    const other = join(dirname(path), used);
    if (libraryRoom(other) > level || other === 'lib/index.js')
      complaints.push(`${path} imports ${other}, of a room above its own`);
  }
}

for (const folder of ['lib', 'native', 'test'].flatMap(foldersBelow)) {
  const { length } = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  if (length > kMostFiles) complaints.push(`${folder} has ${length} files, more than ${kMostFiles}`);
}
for (const path of ['lib', 'native', 'test'].flatMap(filesBelow)) {
  if (!/\.(tsx?|cpp|h)$/.test(path)) continue;
  const lines = readFileSync(path, 'utf8').split('\n').length - 1;
  if (lines > kMostLines) complaints.push(`${path} has ${lines} lines, more than ${kMostLines}`);
}

for (const path of listed) complaints.push(`native/sources.txt lists ${path}, which is in no room`);

for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;
