import { metricEntry } from '../base/metrics.js';
import type { FactorValue } from '../study/definition/factors.js';

/** How an option of an experiment is written in tables and figures. */
export interface OptionLabel {
  readonly symbol: string;
  readonly words: string;
}

const kLabels: Readonly<Record<string, OptionLabel>> = {
  examples: { symbol: 'n', words: 'training examples' },
  steps: { symbol: 'steps', words: 'steps' },
  inverseTemperature: { symbol: 'τ', words: 'prompt scale' },
  'mixture.tokens': { symbol: 'T', words: 'tokens per example' },
  'mixture.dimension': { symbol: 'd', words: 'token dimension' },
  'mixture.relevantFraction': { symbol: 'ζ', words: 'fraction of relevant tokens' },
  'mixture.relevantTokens': { symbol: 'k', words: 'relevant tokens per example' },
  'mixture.contextNorm': { symbol: 'Q', words: 'norm of the context vector' },
  'mixture.signalNorm': { symbol: 'W', words: 'norm of the signal vector' },
  'mixture.correlation': { symbol: 'ρ', words: 'correlation of context and signal' },
  'mixture.noiseLevel': { symbol: 'σ', words: 'noise level' },
  'mixture.relevantNoiseLevel': { symbol: 'σ_R', words: 'noise level of relevant tokens' },
  'mixture.positiveRate': { symbol: 'π', words: 'share of positive labels' },
  'mixture.labelNoise': { symbol: 'ε', words: 'share of wrong labels' },
  stepSizes: { symbol: 'η', words: 'step sizes' },
  'mixture.confusion': { symbol: '(δq, δw, probability)', words: 'confusion' },
  'head.ridge': { symbol: 'λ', words: 'ridge penalty' },
};

/** What a metric is called in figures; the words of its name where a user defined it. */
export function metricLabel(name: string): string {
  const plain = name.replace(/Path$/, '');
  return metricEntry(plain)?.label ?? plain.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A number of a study file as short text: at most six digits, as many as tell levels apart that a person wrote. */
export function numberText(value: number): string {
  const short = Number.isInteger(value) ? value : Number(value.toPrecision(6));
  return String(short).replaceAll('-', '−');
}

/** Symbol and words for the option at a dotted path; the path itself where there are none. */
export function optionLabel(path: string): OptionLabel {
  return kLabels[path] ?? { symbol: path, words: path };
}

/**
 * A level as short text: an object by its `kind` and its other options, for example `least-squares ridge 0.1`, one without a
 * kind by its values, for example `(0, 0, 0.5)`, an array by its elements.
 */
export function levelText(value: FactorValue | undefined): string {
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(levelText).join(', ')}]`;
  const options = value as Readonly<Record<string, FactorValue | undefined>>;
  if (options.kind === undefined) return `(${Object.values(options).map(levelText).join(', ')})`;
  const { kind, ...others } = options;
  const rest = Object.entries(others).map(([name, level]) => ` ${name} ${levelText(level)}`);
  return String(kind) + rest.join('');
}

/** The levels of some factors on one line, for example `τ = 0.5, averaging`: a level that is text speaks for itself. */
export function levelsText(factors: Readonly<Record<string, FactorValue>>, paths: readonly string[]): string {
  const texts = paths.map((path) => {
    const level = factors[path];
    return typeof level === 'number' ? `${optionLabel(path).symbol} = ${levelText(level)}` : levelText(level);
  });
  return texts.join(', ');
}
