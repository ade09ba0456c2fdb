import { inspect } from 'node:util';
import { z } from 'zod';
import { oneOf, parseOptions, seedSchema } from '../base/options.js';
import { studyText } from '../report/study-text.js';
import { define, plain } from '../study/definition/spec.js';
import type { StudyOptions } from '../study/definition/study-options.js';
import { pointSchema } from './laws.js';

const schema = z.strictObject({
  form: oneOf(['study', 'typescript']),
  experiment: z.looseObject({}, { error: 'an experiment' }),
  points: z.array(pointSchema, { error: 'an array of points' }).min(1, { error: 'an array with a point' }),
  seed: seedSchema.default(1),
});

const kMost = 1024;
const kStandardError = 0.003;

/** A setting along its points as a study: one option that varies is a factor, several that vary together a zip. */
function studyOf({ experiment, points, seed }: Omit<z.output<typeof schema>, 'form'>): StudyOptions {
  const paths = Object.keys(points[0] ?? {});
  const levels = Object.fromEntries(paths.map((path) => [path, points.map((point) => point[path])]));
  return {
    name: 'explored',
    seed,
    experiment,
    ...(paths.length === 1 ? { factors: levels } : { zip: [levels] }),
    trials: { minimum: 64, maximum: kMost, standardError: kStandardError },
    theory: true,
  } as unknown as StudyOptions;
}

/** The same as a program. */
function programOf(study: StudyOptions): string {
  const literal = inspect(study, {
    depth: 20,
    breakLength: 100,
    maxArrayLength: null,
    compact: 3,
    numericSeparator: false,
  });
  return `import { study } from 'prompt-attention';

// Simulation with the law beside it; run again, it continues where it was.
const { rows } = await study.run(
  ${literal.replaceAll('\n', '\n  ')},
  { out: 'explored.sqlite' },
);
for (const { factors, meanError, intervalLow, intervalHigh, theory } of rows)
  console.log(factors, meanError, [intervalLow, intervalHigh], theory);
`;
}

/** A setting as text to go on with: a study file, or a program. */
export async function answerText(question: unknown): Promise<unknown> {
  const { form, ...setting } = parseOptions(schema, question, '');
  // Checked, so that what is copied runs.
  const spec = define(studyOf(setting));
  return { text: form === 'study' ? studyText(spec) : programOf(plain(spec)) };
}
