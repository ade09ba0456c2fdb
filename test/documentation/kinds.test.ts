// The table of kinds in docs/model.md is that of the package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { defineExperiment } from '../../lib/index.js';
import { kindOf, kKinds, parseExperiment, resolveMethod } from '../../lib/simulation/kinds.js';
import { root } from './markdown.js';

defineExperiment({ name: 'example', trial: () => ({ error: 0 }) });

const listed = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ') || '–';
const model = readFileSync(join(root, 'docs/model.md'), 'utf8');

for (const [kind, { example, risk }] of Object.entries(kKinds))
  test(`docs/model.md has the row of ${kind}`, (t) => {
    const experiment = parseExperiment(example);
    const { methodOptions, metrics, whyDense } = kindOf(experiment);
    const others = metrics(experiment, resolveMethod(experiment, undefined)).filter((name) => name !== 'error');
    const cells = [
      `\`${kind}\``,
      listed(methodOptions),
      whyDense(experiment) === undefined ? 'yes' : 'no',
      listed(others),
      risk === undefined ? '–' : `\`risk.${risk}\``,
    ];
    const row = `| ${cells.join(' | ')} |`;
    t.true(model.includes(`${row}\n`), `docs/model.md lacks this row:\n${row}`);
  });
