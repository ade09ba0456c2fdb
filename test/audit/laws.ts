/**
 * Laws of random known prompts over the widest ranges, λ = 0 and τQ² to 50 included: does each converge or say why not, and in what time?
 *
 *     node --import=tsx test/audit/laws.ts --laws 5000 --seed 1
 *
 * Prints a line per law that is refused, or that takes longer than two seconds, and counts at the end; exits with 1 if a law fails with an
 * error that is not documented.
 */
import { parseArgs } from 'node:util';
import { ConvergenceError, type HeadOptions, OptionRangeError, risk } from '../../lib/index.js';
import { Stream } from './reference/random.js';
import { randomScale, randomSetting } from './settings.js';

const { values: options } = parseArgs({
  options: {
    laws: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    draws: { type: 'string', default: '2000' },
  },
});

const stream = new Stream(Number(options.seed));
const kinds = ['averaging', 'least-squares', 'hinge', 'hinge', 'logistic', 'logistic'] as const;
const counts = new Map<string, { laws: number; refused: number; notConverged: number; marked: number; slow: number }>();
const times: number[] = [];
let undocumented = 0;

for (let i = 0; i < Number(options.laws); i++) {
  const kind = stream.pick(kinds);
  const setting = randomSetting(stream);
  const inverseTemperature = randomScale(stream, setting);
  const sampleRatio = stream.logBetween(1e-2, 1e3);
  const ridge = stream.uniform() < 0.3 ? 0 : stream.logBetween(1e-12, 1e6);
  const head: HeadOptions = kind === 'averaging' ? { kind } : { kind, ridge };
  const count = counts.get(kind) ?? { laws: 0, refused: 0, notConverged: 0, marked: 0, slow: 0 };
  counts.set(kind, count);
  count.laws++;
  const law = { mixture: { ...setting, dimension: 5 }, sampleRatio, inverseTemperature, head };
  const start = performance.now();
  let said = '';
  try {
    const { reliable, error } = await risk.knownPrompt({ ...law, draws: Number(options.draws) });
    if (!reliable) count.marked++;
    if (!(error >= 0 && error <= 1)) said = `error ${error}`;
  } catch (reason) {
    said = (reason as Error).message;
    if (reason instanceof ConvergenceError) count.notConverged++;
    else if (reason instanceof OptionRangeError) count.refused++;
    else undocumented++;
  }
  const milliseconds = performance.now() - start;
  times.push(milliseconds);
  if (milliseconds > 2000) count.slow++;
  if (said !== '' || milliseconds > 2000)
    console.log(`${i}: ${milliseconds.toFixed(0)} ms ${JSON.stringify(law)} ${said.slice(0, 120)}`);
}
times.sort((a, b) => a - b);
console.table(Object.fromEntries(counts));
console.log(
  `median ${times[times.length >> 1]?.toFixed(1)} ms, 99 % ${times[Math.floor(0.99 * times.length)]?.toFixed(0)} ms, longest ${times.at(-1)?.toFixed(0)} ms`,
);
process.exitCode = undocumented > 0 ? 1 : 0;
