import { writeFile } from 'node:fs/promises';
import { type ColumnValues, collected, type Table } from './table.js';

/** Rows of a record batch. */
const kBatchRows = 65_536;

/** The values of a column as the library wants them: null where they are missing. */
function valuesOf(column: ColumnValues): (string | number | boolean | null)[] {
  if (column.type === 'STRING') return [...column.values];
  const convert = column.type === 'BOOLEAN' ? Boolean : Number;
  return Array.from(column.values, (value) => (Number.isNaN(value) ? null : convert(value)));
}

/** Write a table as an Arrow file (also known as Feather version 2), `head` as the metadata `prompt-attention` of its schema. */
export async function writeArrow(file: string, head: object, table: Table): Promise<void> {
  // Loaded when asked for.
  const {
    bool,
    columnFromArray,
    float64,
    int32,
    Table: ArrowTable,
    tableFromColumns,
    tableToIPC,
    utf8,
  } = await import('@uwdata/flechette');
  const types = { STRING: utf8, DOUBLE: float64, INT32: int32, BOOLEAN: bool };
  const columns = (await collected(table)).map(
    (column) =>
      [column.name, columnFromArray(valuesOf(column), types[column.type](), { maxBatchRows: kBatchRows })] as const,
  );
  const { schema, children } = tableFromColumns(columns.map(([name, values]) => [name, values]));
  const metadata = new Map([['prompt-attention', JSON.stringify(head)]]);
  await writeFile(
    file,
    tableToIPC(new ArrowTable({ ...schema, metadata }, children), { format: 'file' }) as Uint8Array,
  );
}
