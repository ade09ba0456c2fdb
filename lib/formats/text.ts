import { type Fields, present, type Table, type Value } from './table.js';

/** A field of a CSV file (RFC 4180); what is missing is empty. */
function csvField(missing: Value | undefined): string {
  const value = present(missing);
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A table as the lines of a CSV file, names first. */
export async function* csvLines({ columns, rows }: Table): AsyncGenerator<string> {
  const line = (field: (name: string) => string) => `${columns.map(({ name }) => field(name)).join(',')}\n`;
  yield line(csvField);
  for await (const row of rows) yield line((name) => csvField(row[name]));
}

/** JSON has no infinities: they are texts. */
const jsonValue = (value: Value): Value =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;

/** A table as one JSON document, its rows behind what `head` says. */
export async function* jsonLines(head: object, { columns, rows }: Table): AsyncGenerator<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "rows": [`;
  let separator = '\n    ';
  for await (const row of rows) {
    const values = columns.map(({ name }) => [name, jsonValue(present(row[name]))] as const);
    yield separator + JSON.stringify(Object.fromEntries(values) satisfies Fields);
    separator = ',\n    ';
  }
  yield '\n  ]\n}\n';
}
