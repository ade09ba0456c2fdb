/** An experiment as plain JSON, which the server validates. */
export type Experiment = Readonly<Record<string, unknown>>;

/** What the page shows: all of it is in its address. */
export interface State {
  /** Name of an axis. */
  readonly along: string;
  readonly from: number;
  readonly to: number;
  /** Whether the vertical axis is logarithmic. */
  readonly logarithmic: boolean;
  /** Whether differences to the first setting are shown. */
  readonly difference: boolean;
  /** Trials of every point. */
  readonly trials: number;
  readonly seed: number;
  /** Which setting the fields are of. */
  readonly selected: number;
  readonly settings: readonly Experiment[];
}

export const kMostSettings = 4;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The option at a dotted path. */
export function optionAt(experiment: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (part, name) => (typeof part === 'object' && part !== null ? Reflect.get(part, name) : undefined),
      experiment,
    );
}

/** A copy whose option at a dotted path is `value`; undefined takes the option out. */
export function withOptionAt(experiment: Experiment, path: string, value: unknown): Experiment {
  const [name = '', ...rest] = path.split('.');
  const part = experiment[name];
  const set = rest.length === 0 ? value : withPart(part, rest.join('.'), value);
  const { [name]: _, ...others } = experiment;
  return set === undefined ? others : { ...experiment, [name]: set };
}

function withPart(part: unknown, path: string, value: unknown): unknown {
  if (!Array.isArray(part)) return withOptionAt(isObject(part) ? part : {}, path, value);
  const [index = '', ...rest] = path.split('.');
  return part.map((entry, i) => {
    if (i !== Number(index)) return entry;
    return rest.length === 0 ? value : withPart(entry, rest.join('.'), value);
  });
}

const kKnownPrompt: Experiment = {
  kind: 'known-prompt',
  mixture: { tokens: 32, relevantTokens: 8, dimension: 200, contextNorm: 2, signalNorm: 0.6 },
  examples: 400,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
};

/** What an experiment of a kind begins with. */
export const kBeginnings: Readonly<Record<string, Experiment>> = {
  'known-prompt': kKnownPrompt,
  'three-step': {
    kind: 'three-step',
    mixture: { tokens: 20, relevantTokens: 4, dimension: 200, contextNorm: 2, signalNorm: 1 },
    examples: 1000,
    stepSizes: [1, 5, 1],
  },
  'gradient-descent': {
    kind: 'gradient-descent',
    mixture: { tokens: 8, relevantTokens: 2, dimension: 200, contextNorm: 2, signalNorm: 1 },
    examples: 400,
    data: 'fresh',
    model: 'prompt-attention',
    steps: 8,
    stepSizes: { head: 1, prompt: 1 },
  },
};

/** What the page begins with: what a prompt is worth. */
export const kBeginning: State = {
  along: 'ratio',
  from: 0.5,
  to: 10,
  logarithmic: false,
  difference: false,
  trials: 64,
  seed: 1,
  selected: 0,
  settings: [kKnownPrompt, withOptionAt(kKnownPrompt, 'inverseTemperature', 0)],
};

/** The part of an address that says what the page shows. */
export function addressOf(state: State): string {
  return `#${encodeURIComponent(JSON.stringify(state))}`;
}

const isReal = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isCount = (value: unknown, least: number, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

/** The experiment with k relevant tokens, if it tells their share, and the same number of examples in every sample; undefined if it is none. */
function settingOf(value: unknown): Experiment | undefined {
  if (!isObject(value) || typeof value.kind !== 'string' || !Object.hasOwn(kBeginnings, value.kind)) return undefined;
  const { mixture, examples } = value;
  if (!isObject(mixture) || !isReal(examples)) return undefined;
  const { relevantFraction, relevantTokens, ...others } = mixture;
  if (!isReal(others.tokens) || !isReal(others.dimension)) return undefined;
  const k = relevantTokens ?? (isReal(relevantFraction) ? Math.round(relevantFraction * others.tokens) : undefined);
  return isReal(k) ? { ...value, mixture: { ...others, relevantTokens: k } } : undefined;
}

/** What an address says; null if it says nothing, or not what a page can show. */
export function stateOf(address: string, isAxis: (name: string) => boolean): State | null {
  try {
    const value: unknown = JSON.parse(decodeURIComponent(address.replace(/^#/, '')));
    if (!isObject(value) || !Array.isArray(value.settings)) return null;
    const settings = value.settings.map(settingOf);
    const { along, from, to, trials, seed, selected } = { ...kBeginning, ...value };
    const isSound =
      settings.length > 0 &&
      settings.length <= kMostSettings &&
      settings.every((setting) => setting !== undefined) &&
      typeof along === 'string' &&
      isAxis(along) &&
      isReal(from) &&
      isReal(to) &&
      from < to &&
      isCount(trials, 0, 100_000) &&
      isCount(seed, 0, Number.MAX_SAFE_INTEGER) &&
      isCount(selected, 0, settings.length - 1);
    if (!isSound) return null;
    const { logarithmic = false, difference = false } = value;
    return {
      ...{ along, from, to, trials, seed, selected },
      logarithmic: logarithmic === true,
      difference: difference === true,
      settings: settings as readonly Experiment[],
    };
  } catch {
    return null;
  }
}
