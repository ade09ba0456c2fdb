// Makes texts that have nothing to do with mails: the quotations of the Debian package fortunes, one to a line of JSON.
// Usage: node examples/fortunes.mjs [file] [folder of quotations]
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [file = 'fortunes.jsonl', folder = '/usr/share/games/fortunes'] = process.argv.slice(2);

// Beside each file of quotations lie its index (.dat) and a link to it (.u8).
const names = readdirSync(folder).filter((name) => !/\.(dat|u8)$/.test(name));
const texts = names.sort().flatMap((label) =>
  readFileSync(join(folder, label), 'utf8')
    .split(/^%$/m)
    .map((text) => ({ text: text.trim(), label }))
    .filter(({ text }) => text !== ''),
);
writeFileSync(file, texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
console.log(`${file}: ${texts.length} quotations`);
