import { Document, visit } from 'yaml';
import { type LevelRange, levelsSchema } from '../study/definition/levels.js';
import { plain } from '../study/definition/spec.js';
import type { StudySpec } from '../study/definition/study-options.js';

/** A list of more levels is written as a range, if it is one. */
const kMostLevels = 8;
/** Levels of a range of integers that may have been the same. */
const kMostEqual = 200;

/** The range that levels were made from; the levels themselves if they are few, or of no range. */
function shortLevels(levels: unknown): unknown {
  if (!Array.isArray(levels) || levels.length <= kMostLevels) return levels;
  const [first, last] = [levels[0], levels.at(-1)];
  const text = JSON.stringify(levels);
  const isOf = (range: LevelRange) => {
    const { success, data } = levelsSchema.safeParse(range);
    return success && JSON.stringify(data) === text;
  };
  const { length } = levels;
  for (const kind of ['linspace', 'logspace'] as const) {
    const exact = { [kind]: [first, last, length] };
    if (isOf(exact)) return exact;
    for (let count = length; count < length + kMostEqual; ++count) {
      const integers = { [kind]: [first, last, count], integer: true };
      if (isOf(integers)) return integers;
    }
  }
  return levels;
}

/** A study as a study file: lists on one line, ranges of levels as ranges, what it does not use left out. */
export function studyText(spec: StudySpec): string {
  const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  const factors = Object.entries(spec.factors).map(([path, levels]) => [path, shortLevels(levels)]);
  const entries = Object.entries({ ...plain(spec), factors: Object.fromEntries(factors) });
  const document = new Document(Object.fromEntries(entries.filter(([, value]) => !isEmpty(value))));
  visit(document, {
    Seq(_, node) {
      node.flow = true;
    },
    Map(_, node) {
      if (node.has('linspace') || node.has('logspace')) node.flow = true;
    },
  });
  return document.toString({ lineWidth: 100 });
}
