// Writes goldens.json anew: only where numbers are meant to change, and CHANGELOG.md says so.
import { writeFileSync } from 'node:fs';
import { computeGoldens } from './environment.js';

const { engine, goldens } = computeGoldens();
const lines = Object.entries(goldens).map(([group, results = {}]) => {
  const entries = Object.entries(results).map(
    ([name, result]) => `    ${JSON.stringify(name)}: ${JSON.stringify(result)}`,
  );
  return `  ${JSON.stringify(group)}: {\n${entries.join(',\n')}\n  }`;
});
const text = `{ "engine": ${JSON.stringify(engine)}, "goldens": {\n${lines.join(',\n')}\n}}\n`;
writeFileSync(new URL('goldens.json', import.meta.url), text);
