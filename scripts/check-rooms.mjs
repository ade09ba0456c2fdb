// The native code's folders: each may include its own files and those of the folders listed before it, and no others.
import { readdirSync, readFileSync } from 'node:fs';

const kRooms = [
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
const kMostFiles = 25;

const complaints = [];
const listed = new Set(readFileSync('native/sources.txt', 'utf8').trimEnd().split('\n'));

for (const top of ['core', 'addon'])
  for (const entry of readdirSync(`native/${top}`))
    if (!kRooms.includes(`${top}/${entry}`))
      complaints.push(`native/${top}/${entry} is no room of scripts/check-rooms.mjs`);

for (const [level, room] of kRooms.entries()) {
  const files = readdirSync(`native/${room}`);
  if (files.length > kMostFiles) complaints.push(`native/${room} has ${files.length} files, more than ${kMostFiles}`);
  for (const file of files) {
    const path = `native/${room}/${file}`;
    if (path.endsWith('.cpp') && !listed.delete(path)) complaints.push(`${path} is not in native/sources.txt`);
    const text = readFileSync(path, 'utf8');
    if (room.startsWith('core/') && text.includes('napi.h')) complaints.push(`${path} knows N-API`);
    for (const [, included, folder] of text.matchAll(/^#include "((.*)\/[^/]*)"/gm)) {
      const other = kRooms.indexOf(folder);
      if (other < 0) complaints.push(`${path} includes ${included}, which is in no room`);
      if (other > level) complaints.push(`${path} includes ${included}, of a room above its own`);
    }
  }
}
for (const path of listed) complaints.push(`native/sources.txt lists ${path}, which is in no room`);

for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;
