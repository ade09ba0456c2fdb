/** Eigenvalues of a symmetric matrix, descending, and its eigenvectors, by Jacobi's rotations. */
export function jacobiEigen(symmetric: readonly (readonly number[])[]): { values: number[]; vectors: number[][] } {
  const n = symmetric.length;
  const A = symmetric.map((row) => Float64Array.from(row));
  const V = A.map((_, i) => Float64Array.from({ length: n }, (_, j) => Number(i === j)));
  const rotate = (rows: Float64Array, p: number, q: number, c: number, s: number) => {
    const [x, y] = [rows[p] as number, rows[q] as number];
    rows[p] = c * x - s * y;
    rows[q] = s * x + c * y;
  };
  for (let sweep = 0; sweep < 15; ++sweep)
    for (let p = 0; p < n; ++p)
      for (let q = p + 1; q < n; ++q) {
        const [rowP, rowQ] = [A[p] as Float64Array, A[q] as Float64Array];
        const [pp, qq, pq] = [rowP[p] as number, rowQ[q] as number, rowP[q] as number];
        if (pq === 0) continue;
        const angle = Math.atan2(2 * pq, qq - pp) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const row of A) rotate(row, p, q, c, s);
        for (let j = 0; j < n; ++j) {
          const [x, y] = [rowP[j] as number, rowQ[j] as number];
          rowP[j] = c * x - s * y;
          rowQ[j] = s * x + c * y;
        }
        for (const row of V) rotate(row, p, q, c, s);
      }
  const order = A.map((_, i) => i).sort((i, j) => (A[j]?.[j] as number) - (A[i]?.[i] as number));
  return {
    values: order.map((i) => A[i]?.[i] as number),
    vectors: order.map((i) => V.map((row) => row[i] as number)),
  };
}
