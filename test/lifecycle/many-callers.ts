/** Multiplies matrices on a thousand threads at once: far more than OpenBLAS has room for. Prints how many did. */
import { native } from '../../lib/base/native.js';

const request = { kind: 'products', rows: 192, columns: 192, milliseconds: 1500, threads: 1000 } as const;
const { fastest } = await native.measureLimit(request).promise;
console.log(`${fastest.filter((rate) => rate > 0).length} threads`);
