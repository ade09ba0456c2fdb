/** The formats of files of rows. */
export const kFormats = ['csv', 'json', 'parquet', 'arrow', 'npz'] as const;

/** A value of a table; null where there is none. */
export type Value = string | number | boolean | null;

/** A row of a table, by the names of its columns. */
export type Fields = Readonly<Record<string, Value>>;

/** A column of a table, and what its values are where they are not missing. */
export interface Column {
  readonly name: string;
  readonly type: 'STRING' | 'DOUBLE' | 'INT32' | 'BOOLEAN';
}

/** Rows on their way into a file. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: AsyncIterable<Fields>;
}

/** A column; of numbers, unless something else is said. */
export const column = (name: string, type: Column['type'] = 'DOUBLE'): Column => ({ name, type });

/** A value that is missing, or not a number, as null: the same in every format. */
export const present = (value: Value | undefined): Value => (value === undefined || Number.isNaN(value) ? null : value);

/** Everything that a column holds: texts, or numbers with NaN for what is missing and 1 and 0 for true and false. */
export type ColumnValues =
  | (Column & { readonly type: 'STRING'; readonly values: readonly (string | null)[] })
  | NumberColumn;

/** A column of numbers, or of truth values as numbers. */
export interface NumberColumn extends Column {
  readonly type: 'DOUBLE' | 'INT32' | 'BOOLEAN';
  readonly values: Float64Array;
}

const kFirstRows = 1024;

/** The rows of a table column by column, for formats that hold them so. */
export async function collected({ columns, rows }: Table): Promise<readonly ColumnValues[]> {
  let count = 0;
  const texts = new Map(
    columns.flatMap(({ name, type }) => (type === 'STRING' ? [[name, [] as (string | null)[]]] : [])),
  );
  const numbers = new Map(
    columns.flatMap(({ name, type }) => (type === 'STRING' ? [] : [[name, new Float64Array(kFirstRows)]])),
  );
  for await (const row of rows) {
    for (const [name, values] of texts) {
      const value = present(row[name]);
      values.push(value === null ? null : String(value));
    }
    for (const [name, values] of numbers) {
      let own = values;
      if (count === values.length) {
        own = new Float64Array(2 * count);
        own.set(values);
        numbers.set(name, own);
      }
      const value = present(row[name]);
      own[count] = value === null ? Number.NaN : Number(value);
    }
    count += 1;
  }
  return columns.map(({ name, type }) =>
    type === 'STRING'
      ? { name, type, values: texts.get(name) as (string | null)[] }
      : { name, type, values: (numbers.get(name) as Float64Array).subarray(0, count) },
  );
}
