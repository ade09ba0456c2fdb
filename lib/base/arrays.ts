/**
 * Numbers of a result, over an `ArrayBuffer` of their own: `new Blob([x])`, `new Response(x)` and `postMessage(x, [x.buffer])` take them.
 * `Float64Array<ArrayBuffer>` since TypeScript 5.7; `Float64Array` before, where typed arrays have no parameter.
 */
export type OwnFloat64Array = ReturnType<typeof Float64Array.of>;

/** Bytes of a result, as {@link OwnFloat64Array}. */
export type OwnUint8Array = ReturnType<typeof Uint8Array.of>;

/** Indices of a result, as {@link OwnFloat64Array}. */
export type OwnUint32Array = ReturnType<typeof Uint32Array.of>;
