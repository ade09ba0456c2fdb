// Every number that must not change when code is moved: cell keys, trials, laws, models.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { hasImages } from './cases.js';
import { type ComputedGoldens, computeGoldens } from './environment.js';

const { engine, goldens }: ComputedGoldens = JSON.parse(readFileSync(new URL('goldens.json', import.meta.url), 'utf8'));
const groups = Object.keys(goldens).filter((group) => group !== 'image trials' || hasImages);

if (process.arch !== 'x64' || process.platform !== 'linux')
  test.skip(`goldens were recorded on Linux x64, not ${process.platform} ${process.arch}`, () => {});
else {
  const computed = computeGoldens();
  // Other versions of OpenBLAS and of the C library round otherwise.
  const alike = JSON.stringify(computed.engine) === JSON.stringify(engine);
  for (const group of groups)
    for (const [name, expected] of Object.entries(goldens[group] ?? {})) {
      const title = `${group}: ${name}`;
      if (alike || group === 'cell keys') test(title, (t) => t.deepEqual(computed.goldens[group]?.[name], expected));
      else
        test.skip(`${title} (recorded with ${JSON.stringify(engine)}, here is ${JSON.stringify(computed.engine)})`, () => {});
    }
  test('goldens name what is computed', (t) => {
    for (const group of groups)
      t.deepEqual(Object.keys(computed.goldens[group] ?? {}), Object.keys(goldens[group] ?? {}));
  });
}
