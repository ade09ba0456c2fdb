// Random numbers of the audit: xoshiro128** seeded by splitmix32, normals by the polar method. Not the package's Philox.

/** A stream of random numbers. */
export class Stream {
  private readonly state = new Uint32Array(4);
  private spare = Number.NaN;

  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.state[i] = (z ^ (z >>> 15)) >>> 0;
    }
    for (let i = 0; i < 16; i++) this.word();
  }

  private word(): number {
    const s = this.state;
    const [s0, s1, s2, s3] = s as unknown as [number, number, number, number];
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s1 << 9;
    const x2 = s2 ^ s0;
    const x3 = s3 ^ s1;
    s[1] = s1 ^ x2;
    s[0] = s0 ^ x3;
    s[2] = x2 ^ t;
    s[3] = (x3 << 11) | (x3 >>> 21);
    return result;
  }

  /** Uniform on (0, 1). */
  uniform(): number {
    return ((this.word() >>> 5) * 67108864 + (this.word() >>> 6) + 0.5) / 9007199254740992;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform in the logarithm. */
  logBetween(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)));
  }

  /** Uniform on 0 … count − 1. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** One of the items, by weights that sum to 1. */
  weighted<Item>(items: readonly Item[], weight: (item: Item) => number): Item | undefined {
    let left = this.uniform();
    for (const item of items) {
      left -= weight(item);
      if (left < 0) return item;
    }
    return items[0];
  }

  normal(): number {
    if (!Number.isNaN(this.spare)) {
      const value = this.spare;
      this.spare = Number.NaN;
      return value;
    }
    for (;;) {
      const a = 2 * this.uniform() - 1;
      const b = 2 * this.uniform() - 1;
      const s = a * a + b * b;
      if (s >= 1 || s === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(s)) / s);
      this.spare = b * factor;
      return a * factor;
    }
  }
}
