import { runInNewContext } from 'node:vm';
import fc from 'fast-check';

/** What a hostile getter throws, so that it is recognised when it comes out of the call. */
export const trap = new Error('from a trap');

/**
 * A change of one field of a request. `same` says that the changed request means what it meant: its answer must then be that of
 * the request itself, if it is not refused.
 */
export interface Mutation {
  readonly name: string;
  readonly same: boolean;
  /** Put something in place of `parent[key]`. `request` is the whole request, for changes that reach further. */
  apply(parent: Record<string, unknown>, key: string, request: object): void;
}

type TypedArray = Float64Array | Float32Array | Uint32Array | Int32Array | Uint8Array;
type TypedArrayClass = new (buffer: ArrayBufferLike, offset?: number, length?: number) => TypedArray;

const isTypedArray = (value: unknown): value is TypedArray =>
  ArrayBuffer.isView(value) && !(value instanceof DataView || value instanceof BigInt64Array);
const isObject = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object';

const replace = (name: string, same: boolean, make: (value: unknown) => unknown): Mutation => ({
  name,
  same,
  apply: (parent, key) => {
    const value = make(parent[key]);
    Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
  },
});

/** A change of typed arrays; other values stay, or become a number. */
const replaceArray = (name: string, same: boolean, make: (array: TypedArray) => unknown): Mutation =>
  replace(name, same, (value) => (isTypedArray(value) ? make(value) : same ? value : 1));

/** A change of other objects; the rest stays, or becomes an object. */
const replaceObject = (name: string, same: boolean, make: (object: Record<string, unknown>) => unknown): Mutation =>
  replace(name, same, (value) => {
    if (isObject(value) && !isTypedArray(value)) return make(value);
    return same ? value : new Proxy({}, {});
  });

const classOf = (array: TypedArray): TypedArrayClass => array.constructor as TypedArrayClass;

/** The array's numbers in a buffer of another kind, from byte `offset` of it on. */
function moved(array: TypedArray, buffer: ArrayBufferLike, offset = 0): TypedArray {
  const copy = new (classOf(array))(buffer, offset, array.length);
  copy.set(array);
  return copy;
}

function resizable(bytes: number): ArrayBuffer & { resize(bytes: number): void } {
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(bytes: number): void };
  return new Resizable(bytes, { maxByteLength: 2 * bytes + 64 });
}

function growable(bytes: number): SharedArrayBuffer {
  const Growable = SharedArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => SharedArrayBuffer;
  return new Growable(bytes, { maxByteLength: 2 * bytes + 64 });
}

export function detach(array: TypedArray): void {
  if (array.buffer instanceof ArrayBuffer && !('detached' in array.buffer && array.buffer.detached))
    structuredClone(array.buffer, { transfer: [array.buffer] });
}

/** Every typed array of a request, however deep. */
export function arraysOf(value: unknown): TypedArray[] {
  if (isTypedArray(value)) return [value];
  return isObject(value) ? Object.values(value).flatMap(arraysOf) : [];
}

const throwing: ProxyHandler<object> = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((name) => [
    name,
    () => {
      throw trap;
    },
  ]),
);

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const define = (parent: object, key: string, get: () => unknown) =>
  Object.defineProperty(parent, key, { get, enumerable: true, configurable: true });

const fill = (array: TypedArray, number: number) => Reflect.construct(classOf(array), [array]).fill(number);

const constants: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  '',
  'text',
  'logistic',
  '\ud800',
  'x'.repeat(1e5),
  0n,
  -1n,
  1n << 64n,
  1n << 20000n,
  Symbol('s'),
  () => 1,
  new Date(0),
  /r/,
  new Map(),
  [],
  [1, 2, 3],
  Object.create(null),
  new Float64Array(0),
  new Float64Array(2),
  new Float32Array(3),
  new Uint32Array(3),
  new Uint8Array(8),
  new BigInt64Array(3),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
  new DataView(new ArrayBuffer(8)),
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

/** As a number of threads none is large: the stacks of a thousand would take all of a bounded memory, and V8 needs some. */
const numbers: readonly number[] = [
  -0,
  0,
  -1,
  1,
  0.5,
  1.0000000000000002,
  2,
  3,
  64,
  70,
  5e-324,
  1e-300,
  1e300,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
];

/** Sizes that are right or nearly right: a million, and some that are beyond a few GiB or 2⁵³. */
const sizes: readonly number[] = [
  2 ** 20,
  2 ** 30,
  2 ** 31 - 2,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  -(2 ** 31),
  -(2 ** 53),
];

const contents: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  -1,
  2,
  0.5,
  5e-324,
  1e-160,
  1e160,
  Number.MAX_VALUE,
  2 ** 32 - 1,
];

const fixed: readonly Mutation[] = [
  replaceArray('zero length', false, (array) => new (classOf(array))(new ArrayBuffer(0))),
  replaceArray('one entry more', false, (array) => Reflect.construct(classOf(array), [array.length + 1])),
  replaceArray('one entry fewer', false, (array) => array.slice(1)),
  replaceArray('another element type', false, (array) => Float32Array.from(array)),
  replaceArray('a plain array', false, (array) => Array.from(array)),
  replaceArray('a DataView', false, (array) => new DataView(array.buffer)),
  replaceArray('a Buffer of its bytes', false, (array) => Buffer.from(array.buffer as ArrayBuffer)),
  replaceArray('bytes at an odd offset', false, (array) => new Uint8Array(new ArrayBuffer(array.byteLength + 1), 1)),
  replaceArray('detached', false, (array) => {
    const copy = array.slice();
    detach(copy);
    return copy;
  }),
  replaceArray('shared', false, (array) => moved(array, new SharedArrayBuffer(array.byteLength))),
  replaceArray('growable and shared', false, (array) => moved(array, growable(array.byteLength))),
  replaceArray('a view behind other numbers', true, (array) =>
    moved(array, new ArrayBuffer(array.byteLength + 3 * array.BYTES_PER_ELEMENT), 2 * array.BYTES_PER_ELEMENT),
  ),
  replaceArray('resizable, of fixed length', true, (array) => moved(array, resizable(array.byteLength))),
  replaceArray('resizable, following the length', true, (array) => {
    const copy = new (classOf(array))(resizable(array.byteLength));
    copy.set(array);
    return copy;
  }),
  replaceArray('resizable and out of bounds', false, (array) => {
    const buffer = resizable(array.byteLength + 8);
    const copy = moved(array, buffer);
    buffer.resize(0);
    return copy;
  }),
  replaceArray('resizable, grown after the view was made', true, (array) => {
    const buffer = resizable(array.byteLength);
    const copy = moved(array, buffer);
    buffer.resize(buffer.byteLength + 16);
    return copy;
  }),
  replaceArray('of another realm', true, (array) =>
    runInNewContext(`new ${classOf(array).name}(numbers)`, { numbers: array }),
  ),
  replaceArray('with a false length', true, (array) => Object.defineProperty(array.slice(), 'length', { value: 1e9 })),
  replaceArray('without a prototype', true, (array) => Object.setPrototypeOf(array.slice(), null)),
  replaceArray('of a subclass that lies about its buffer', true, (array) =>
    Object.defineProperty(array.slice(), 'buffer', { value: new ArrayBuffer(1) }),
  ),
  replaceArray('a proxy of the array', false, (array) => new Proxy(array, {})),
  replaceObject('a transparent proxy', true, (object) => new Proxy(object, {})),
  replaceObject('without a prototype', true, (object) => Object.assign(Object.create(null), object)),
  replaceObject('inherited fields', false, (object) => Object.create(object)),
  replaceObject('getters', true, (object) => {
    const copy = {};
    for (const [key, value] of Object.entries(object)) define(copy, key, () => value);
    return copy;
  }),
  replaceObject('a proxy whose traps throw', false, (object) => new Proxy(object, throwing)),
  replaceObject('a revoked proxy', false, revoked),
  {
    name: 'a getter that throws',
    same: false,
    apply: (parent, key) => {
      define(parent, key, () => {
        throw trap;
      });
    },
  },
  {
    name: 'a field that is missing',
    same: false,
    apply: (parent, key) => {
      delete parent[key];
    },
  },
  {
    name: 'a getter that detaches every array',
    same: false,
    apply: (parent, key, request) => {
      const value = parent[key];
      const arrays = arraysOf(request);
      define(parent, key, () => {
        arrays.forEach(detach);
        return value;
      });
    },
  },
  {
    name: 'a getter that shrinks every array',
    same: false,
    apply: (parent, key, request) => {
      const buffers: { resize(bytes: number): void }[] = [];
      const shrinkable = (value: unknown): unknown => {
        if (isTypedArray(value)) {
          const buffer = resizable(value.byteLength);
          buffers.push(buffer);
          return moved(value, buffer);
        }
        if (isObject(value)) for (const [field, inner] of Object.entries(value)) value[field] = shrinkable(inner);
        return value;
      };
      shrinkable(request);
      const value = parent[key];
      define(parent, key, () => {
        for (const buffer of buffers) buffer.resize(1);
        return value;
      });
    },
  },
  {
    name: 'a getter that overwrites every array',
    same: false,
    apply: (parent, key, request) => {
      const value = parent[key];
      const arrays = arraysOf(request);
      define(parent, key, () => {
        for (const array of arrays) Reflect.apply(Float64Array.prototype.fill, array, [Number.NaN]);
        return value;
      });
    },
  },
];

/** Something else at the second reading. */
const inconstant = (value: unknown): Mutation => ({
  name: `then ${typeof value}`,
  same: false,
  apply: (parent, key) => {
    const first = parent[key];
    let reads = 0;
    define(parent, key, () => (reads++ === 0 ? first : value));
  },
});

/** Mutations of any field. `hugeSizes` adds sizes that no memory holds, for a process whose memory is bounded. */
export function mutations(hugeSizes: boolean): fc.Arbitrary<Mutation> {
  const anyNumber = fc.oneof(fc.constantFrom(...numbers, ...(hugeSizes ? sizes : [])), fc.double({ max: 70 }));
  const anyValue = fc.oneof(fc.constantFrom(...constants), anyNumber);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...fixed) },
    { weight: 3, arbitrary: anyValue.map((value) => replace(`= ${typeof value}`, false, () => value)) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constantFrom(...contents), fc.nat(63)).map(([number, at]) =>
        replaceArray(`entry ${number}`, false, (array) => {
          const copy = array.slice();
          copy[at % Math.max(copy.length, 1)] = number;
          return copy;
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(...contents)
        .map((number) => replaceArray(`all entries ${number}`, false, (array) => fill(array, number))),
    },
    { weight: 1, arbitrary: anyValue.map(inconstant) },
  );
}
