import { loadOptional } from '../base/optional-packages.js';
import { type Fields, present, type Table } from './table.js';

/** The rows without anything that is not a number, of which Parquet would keep the NaN. */
async function* withoutNaN({ columns, rows }: Table): AsyncGenerator<Fields> {
  for await (const row of rows) yield Object.fromEntries(columns.map(({ name }) => [name, present(row[name])]));
}

/** Write a table as Parquet, `head` as the metadata `prompt-attention`. */
export async function writeParquet(file: string, head: object, table: Table): Promise<void> {
  const { fileWriter, parquetWriteRows } = await loadOptional(
    'Parquet files',
    ['hyparquet-writer'],
    () => import('hyparquet-writer'),
  );
  await parquetWriteRows({
    writer: fileWriter(file),
    columns: table.columns.map(({ name, type }) => ({ name, type, nullable: true })),
    rows: withoutNaN(table),
    kvMetadata: [{ key: 'prompt-attention', value: JSON.stringify(head) }],
  });
}
