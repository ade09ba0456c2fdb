import { optionLabel } from '../../report/labels.js';
import { type Experiment, kBeginnings, optionAt, withOptionAt } from './state.js';

/** A number that a slider moves. */
export interface NumberField {
  readonly path: string;
  readonly symbol: string;
  readonly words: string;
  readonly from: number;
  readonly to: number;
  readonly scale: 'linear' | 'log';
  readonly isInteger?: boolean;
  /** Of a slider that is linear. */
  readonly step?: number;
  /** What it is where the experiment does not say. */
  readonly otherwise?: number;
  /** Whether the lower end of a logarithmic slider stands for 0. */
  readonly hasZero?: boolean;
}

/** A choice between names. */
export interface ChoiceField {
  readonly path: string;
  readonly words: string;
  readonly choices: readonly string[];
  readonly otherwise: string;
}

export type Field = NumberField | ChoiceField;

/** Fields under a heading. */
export interface FieldGroup {
  readonly title: string;
  readonly fields: readonly Field[];
}

const isKind = (experiment: Experiment, kind: string) => experiment.kind === kind;

type Shape = Pick<NumberField, 'from' | 'to'> & Partial<NumberField>;

/** The slider of an option, linear unless said otherwise. */
const slider = (path: string, shape: Shape): NumberField => ({
  ...optionLabel(path),
  path,
  scale: 'linear',
  ...shape,
});

/** An option of known prompts only. */
const kRelevantNoise = 'mixture.relevantNoiseLevel';

const counted = { scale: 'log', isInteger: true } as const;

const examples = (words: string) => slider('examples', { words, from: 10, to: 100_000, ...counted });

const mixture = (experiment: Experiment): readonly Field[] => [
  slider('mixture.tokens', { from: 1, to: 256, ...counted }),
  slider('mixture.relevantTokens', {
    from: 0,
    to: Number(optionAt(experiment, 'mixture.tokens')),
    step: 1,
    isInteger: true,
  }),
  slider('mixture.dimension', { from: 5, to: 5000, ...counted }),
  slider('mixture.contextNorm', { from: 0, to: 6, step: 0.05 }),
  slider('mixture.signalNorm', { from: 0, to: 4, step: 0.05 }),
  slider('mixture.correlation', { from: -1, to: 1, step: 0.05, otherwise: 0 }),
  slider('mixture.noiseLevel', { from: 0, to: 3, step: 0.05, otherwise: 1 }),
  // Trials of training would have to draw all tokens, and have no law.
  ...(isKind(experiment, 'known-prompt') ? [slider(kRelevantNoise, { from: 0, to: 3, step: 0.05, otherwise: 0 })] : []),
  slider('mixture.positiveRate', { from: 0, to: 1, step: 0.01, otherwise: 0.5 }),
  slider('mixture.labelNoise', { from: 0, to: 0.49, step: 0.01, otherwise: 0 }),
  { path: 'mixture.noise', words: 'noise', choices: ['gaussian', 'rademacher', 'uniform'], otherwise: 'gaussian' },
];

const shift = { from: -2, to: 2, step: 0.05, otherwise: 0 };
const confusion: readonly Field[] = [
  slider('mixture.confusion.0.deltaQ', { symbol: 'δq', words: 'of the context', ...shift }),
  slider('mixture.confusion.0.deltaW', { symbol: 'δw', words: 'of the signal', ...shift }),
];

const kHeads = ['averaging', 'weighted-averaging', 'least-squares', 'logistic', 'hinge'];

const ridge = (experiment: Experiment): readonly Field[] => {
  const head = optionAt(experiment, 'head.kind');
  if (head !== 'least-squares' && head !== 'logistic' && head !== 'hinge') return [];
  const hasZero = head !== 'hinge';
  const otherwise = hasZero ? 0 : 0.1;
  return [slider('head.ridge', { from: 1e-4, to: 100, scale: 'log', hasZero, otherwise })];
};

const step = (path: string, symbol: string, words: string) =>
  slider(path, { symbol, words, from: 0, to: 20, step: 0.1 });

function training(experiment: Experiment): readonly FieldGroup[] {
  if (isKind(experiment, 'known-prompt'))
    return [
      {
        title: 'Prompt and head',
        fields: [
          slider('examples', { from: 10, to: 100_000, ...counted }),
          slider('inverseTemperature', { words: 'prompt scale: the prompt is τ q⋆', from: -1, to: 4, step: 0.02 }),
          { path: 'head.kind', words: 'head', choices: kHeads, otherwise: 'least-squares' },
          ...ridge(experiment),
        ],
      },
    ];
  if (isKind(experiment, 'three-step'))
    return [
      {
        title: 'Three steps',
        fields: [
          examples('examples in each of three samples'),
          step('stepSizes.0', 'η₁', 'step of the head'),
          step('stepSizes.1', 'η₂', 'step of the prompt'),
          step('stepSizes.2', 'η₃', 'second step of the head'),
          { path: 'head', words: 'third step from', choices: ['fresh', 'restarted', 'continued'], otherwise: 'fresh' },
          { path: 'debias', words: 'debias', choices: ['none', 'intercept'], otherwise: 'none' },
        ],
      },
    ];
  return [
    {
      title: 'Gradient descent',
      fields: [
        examples('examples, of each step if fresh'),
        {
          path: 'model',
          words: 'model',
          choices: ['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention'],
          otherwise: 'prompt-attention',
        },
        { path: 'data', words: 'data', choices: ['fresh', 'reused'], otherwise: 'reused' },
        slider('steps', { symbol: 'S', from: 0, to: 64, step: 1, isInteger: true }),
        step('stepSizes.head', 'η', 'step of the head'),
        step('stepSizes.prompt', 'η', 'step of the prompt'),
        { path: 'loss', words: 'loss', choices: ['square', 'logistic'], otherwise: 'square' },
        {
          path: 'optimizer.kind',
          words: 'optimizer',
          choices: ['gradient-descent', 'normalized-gradient-descent', 'momentum', 'adam'],
          otherwise: 'gradient-descent',
        },
        ...(optionAt(experiment, 'optimizer.kind') === 'momentum'
          ? [
              slider('optimizer.momentum', {
                symbol: 'μ',
                words: 'momentum',
                from: 0,
                to: 0.99,
                step: 0.01,
                otherwise: 0.9,
              }),
            ]
          : []),
      ],
    },
  ];
}

/** The names of the kinds of experiments. */
export const kKinds = Object.keys(kBeginnings);

/** Everything of an experiment that can be changed on the page; the kind comes before all of it. */
export function fieldsOf(experiment: Experiment): readonly FieldGroup[] {
  const atoms = optionAt(experiment, 'mixture.confusion');
  const isOne = !Array.isArray(atoms) || atoms.length === 1;
  return [
    ...training(experiment),
    { title: 'Mixture', fields: mixture(experiment) },
    ...(isOne ? [{ title: 'Confusion of irrelevant tokens', fields: confusion }] : []),
  ];
}

/** What a field shows of an experiment. */
export function fieldValue(field: Field, experiment: Experiment): number | string {
  const value = optionAt(experiment, field.path) ?? field.otherwise;
  return 'choices' in field ? String(value) : Number(value);
}

/** An experiment in which the relevant tokens are the same share of another number of tokens, as far as integers can be. */
function withTokens(experiment: Experiment, tokens: number): Experiment {
  const share = Number(optionAt(experiment, 'mixture.relevantTokens')) / Number(optionAt(experiment, 'mixture.tokens'));
  const changed = withOptionAt(experiment, 'mixture.tokens', tokens);
  return withOptionAt(changed, 'mixture.relevantTokens', Math.min(tokens, Math.round(share * tokens)));
}

/** An experiment after a field has been changed, with what depends on it. */
export function changed(field: Field, experiment: Experiment, value: number | string): Experiment {
  const { path } = field;
  if (path === 'mixture.tokens') return withTokens(experiment, Number(value));
  if (path === 'head.kind') {
    const ridge = optionAt(experiment, 'head.ridge');
    if (value === 'averaging' || value === 'weighted-averaging')
      return withOptionAt(experiment, 'head', { kind: value });
    const kept = value === 'hinge' && !(Number(ridge) > 0) ? 0.1 : ridge;
    return withOptionAt(experiment, 'head', { kind: value, ...(kept === undefined ? {} : { ridge: kept }) });
  }
  if (path === 'optimizer.kind') return withOptionAt(experiment, 'optimizer', { kind: value });
  // The gradient of linear attention vanishes at zero.
  if (path === 'model' && value === 'linear-attention' && experiment.initial === undefined)
    return withOptionAt(withOptionAt(experiment, path, value), 'initial', { scale: 0.1 });
  if (path.startsWith('mixture.confusion') && optionAt(experiment, 'mixture.confusion') === undefined)
    return changed(
      field,
      withOptionAt(experiment, 'mixture.confusion', [{ deltaQ: 0, deltaW: 0, probability: 1 }]),
      value,
    );
  return withOptionAt(experiment, path, value);
}

/** Another kind of experiment on the same mixture, as far as its fields go. */
export function withKind(experiment: Experiment, kind: string): Experiment {
  const beginning = kBeginnings[kind] as Experiment;
  const whole = { ...beginning, mixture: experiment.mixture, examples: experiment.examples };
  return kind === 'known-prompt' ? whole : withOptionAt(whole, kRelevantNoise, undefined);
}

/** Stops of a logarithmic slider. */
export const kStops = 400;

const limited = (value: number, { from, to }: NumberField) => Math.min(to, Math.max(from, value));

/** Where the slider of a field stands, on its own scale. */
export function sliderOf(field: NumberField, value: number): number {
  if (field.scale === 'linear') return limited(value, field);
  if (value === 0) return 0;
  return Math.round((kStops * Math.log(limited(value, field) / field.from)) / Math.log(field.to / field.from));
}

/** The value that a slider stands for. */
export function sliderValue(field: NumberField, slider: number): number {
  if (field.scale === 'linear') return slider;
  if (slider === 0 && field.hasZero === true) return 0;
  const value = field.from * (field.to / field.from) ** (slider / kStops);
  return field.isInteger === true ? Math.round(value) : Number(value.toPrecision(3));
}
