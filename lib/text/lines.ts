const kNewline = 10;

/**
 * Lines of a stream as bytes, without their ends; null in place of a line of more than `mostBytes`, of which nothing is kept.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  mostBytes: number,
): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const keep = (part: Uint8Array) => {
    length += part.length;
    if (length <= mostBytes) parts.push(part);
    else parts = [];
  };
  const take = () => {
    const line = length <= mostBytes ? Buffer.concat(parts) : null;
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let first = 0;
    for (let end = chunk.indexOf(kNewline); end >= 0; end = chunk.indexOf(kNewline, first)) {
      keep(chunk.subarray(first, end));
      yield take();
      first = end + 1;
    }
    keep(chunk.subarray(first));
  }
  if (length > 0) yield take();
}
