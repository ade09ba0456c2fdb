import test from 'ava';
import { native } from '../../lib/base/native.js';
import { detach, trap } from './hostile.js';
import { targets } from './native-targets.js';
import { requests } from './requests.js';

const call = async (entry: string, request: unknown) => targets[entry]?.call(request as never).promise;

test('the error of a getter comes out as it is; an argument that is no request is refused', async (t) => {
  for (const [entry, request] of Object.entries(requests)) {
    const trapped = {};
    for (const key of Object.keys(request))
      Object.defineProperty(trapped, key, {
        get() {
          throw trap;
        },
      });
    t.is(await t.throwsAsync(call(entry, trapped)), trap);
    for (const value of [undefined, null, 3, 'text'])
      await t.throwsAsync(call(entry, value), { instanceOf: TypeError });
  }
});

test('arrays that are arguments are checked like those in requests', (t) => {
  const detached = new Float64Array(3);
  detach(detached);
  for (const value of [undefined, [1], new Float32Array(1), detached, new Float64Array(new SharedArrayBuffer(8))])
    t.throws(() => native.firstNonFinite(value as Float64Array), { instanceOf: TypeError });
  t.throws(() => native.philox4x32(new Uint32Array(3), new Uint32Array(2)), { instanceOf: RangeError });
  t.throws(() => native.philox4x32(undefined as unknown as Uint32Array, new Uint32Array(2)), { instanceOf: TypeError });
});
