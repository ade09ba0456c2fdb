import { parse } from 'yaml';

/**
 * The value of a text in YAML (hence also JSON). An integer that a number would round is a bigint if it is called `seed`, wherever it
 * stands, and a number elsewhere.
 *
 * @throws The error of the parser, whose first line says what is wrong and where.
 */
export function parseYaml(text: string): unknown {
  const reviver = (key: unknown, value: unknown) => {
    if (typeof value !== 'bigint') return value;
    const number = Number(value);
    return key === 'seed' && !Number.isSafeInteger(number) ? value : number;
  };
  // Warnings would go to standard error by themselves.
  return parse(text, reviver, { intAsBigInt: true, logLevel: 'error' });
}
