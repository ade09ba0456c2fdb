import { render } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { metricLabel } from '../../report/labels.js';
import { capital } from '../../report/style.js';
import { type Axis, kAxes } from './axes.js';
import { Chart, pngOf, svgOf } from './chart.js';
import { Computation } from './computation.js';
import {
  changed,
  type Field,
  fieldsOf,
  fieldValue,
  kKinds,
  kStops,
  type NumberField,
  sliderOf,
  sliderValue,
  withKind,
} from './fields.js';
import { ask } from './requests.js';
import { csvOf, otherMetrics, type Results, remarks, rowsOf, short, trialPlacesOf } from './results.js';
import { colorOf, curvesSpec, kNames, type Look, pictureSpec } from './specs.js';
import { addressOf, type Experiment, kBeginning, kMostSettings, optionAt, type State, stateOf } from './state.js';

const isAxis = (name: string) => Object.hasOwn(kAxes, name);
const kNarrow = 640;

/** The width of an element, as it changes. */
function useWidth(): readonly [{ current: HTMLDivElement | null }, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.floor(node.clientWidth)));
    observer.observe(node);
    setWidth(Math.floor(node.clientWidth));
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

/** Whether the page is dark, as that changes. */
function useDark(): boolean {
  const query = useMemo(() => window.matchMedia('(prefers-color-scheme: dark)'), []);
  const [dark, setDark] = useState(query.matches);
  useLayoutEffect(() => {
    const listen = () => setDark(query.matches);
    query.addEventListener('change', listen);
    return () => query.removeEventListener('change', listen);
  }, [query]);
  return dark;
}

interface DrawingProps {
  readonly name: string;
  readonly label: string;
  readonly height: number;
  readonly spec: (look: Look) => object;
  readonly data: Readonly<Record<string, readonly object[]>>;
  /** What is drawn, for whoever waits for it. */
  readonly version: string;
}

function Drawing({ name, label, height, spec, data, version }: DrawingProps) {
  const [element, width] = useWidth();
  const chart = useRef<Chart | null>(null);
  const dark = useDark();
  useLayoutEffect(() => {
    const node = element.current;
    if (node === null || width === 0) return;
    chart.current ??= new Chart(node);
    chart.current.draw(spec({ width, height, dark }), data).then(() => {
      node.dataset.drawn = version;
    }, console.error);
  });
  useLayoutEffect(() => () => chart.current?.close(), []);
  return (
    <div id={name} class="drawing" role="img" aria-label={label} style={{ minHeight: `${height}px` }} ref={element} />
  );
}

function NumberInput({
  field,
  value,
  onValue,
}: {
  field: NumberField;
  value: number;
  onValue: (value: number) => void;
}) {
  const id = `field-${field.path}`;
  const slider = {
    min: field.scale === 'log' ? 0 : field.from,
    max: field.scale === 'log' ? kStops : field.to,
    step: field.scale === 'log' ? 1 : (field.step ?? 0.01),
  };
  const give = (text: string) => {
    const number = Number(text);
    if (text.trim() !== '' && Number.isFinite(number)) onValue(field.isInteger === true ? Math.round(number) : number);
  };
  return (
    <div class="field">
      <label for={id}>
        <b>{field.symbol}</b> {field.words}
      </label>
      <input
        type="range"
        {...slider}
        value={sliderOf(field, value)}
        aria-label={`${field.symbol}, ${field.words}, slider`}
        aria-valuetext={short(value)}
        onInput={(event) => onValue(sliderValue(field, Number(event.currentTarget.value)))}
      />
      <input
        id={id}
        type="number"
        step="any"
        value={Number(value.toPrecision(6))}
        onChange={(event) => give(event.currentTarget.value)}
      />
    </div>
  );
}

interface SelectProps {
  readonly name: string;
  readonly words: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly value: string;
  readonly onValue: (value: string) => void;
}

function Select({ name, words, choices, value, onValue }: SelectProps) {
  return (
    <div class="field choice">
      <label for={name}>{words}</label>
      <select id={name} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice} selected={choice === value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

const same = (names: readonly string[]) => names.map((name) => [name, name.replaceAll('-', ' ')] as const);

function FieldInput({
  field,
  experiment,
  onExperiment,
}: {
  field: Field;
  experiment: Experiment;
  onExperiment: (experiment: Experiment) => void;
}) {
  const value = fieldValue(field, experiment);
  const set = (next: number | string) => onExperiment(changed(field, experiment, next));
  if ('choices' in field)
    return (
      <Select
        name={`field-${field.path}`}
        words={field.words}
        choices={same(field.choices)}
        value={String(value)}
        onValue={set}
      />
    );
  return <NumberInput field={field} value={Number(value)} onValue={set} />;
}

/** A setting in a few words, for legends and tabs. */
function described(experiment: Experiment): string {
  const n = `n = ${optionAt(experiment, 'examples')}`;
  if (experiment.kind === 'known-prompt')
    return `τ = ${short(Number(experiment.inverseTemperature))}, ${optionAt(experiment, 'head.kind')}, ${n}`;
  if (experiment.kind === 'three-step') return `three steps, ${n}`;
  return `${String(experiment.model)}, ${experiment.steps} steps, ${n}`;
}

function Settings({ state, onState, dark }: { state: State; onState: (state: State) => void; dark: boolean }) {
  const { settings, selected } = state;
  const add = () =>
    onState({ ...state, settings: [...settings, settings[selected] as Experiment], selected: settings.length });
  const remove = () =>
    onState({ ...state, settings: settings.filter((_, i) => i !== selected), selected: Math.max(0, selected - 1) });
  return (
    <fieldset class="settings">
      <legend>Settings</legend>
      {settings.map((experiment, i) => (
        <label key={kNames[i]} class="setting">
          <input
            type="radio"
            name="setting"
            checked={i === selected}
            onChange={() => onState({ ...state, selected: i })}
          />
          <span class="key" style={{ background: colorOf(i, dark) }} aria-hidden="true" />
          <b>{kNames[i]}</b> {described(experiment)}
        </label>
      ))}
      <p class="buttons">
        {settings.length < kMostSettings && (
          <button type="button" onClick={add}>
            Add a copy of {kNames[selected]}
          </button>
        )}
        {settings.length > 1 && (
          <button type="button" onClick={remove}>
            Remove {kNames[selected]}
          </button>
        )}
      </p>
    </fieldset>
  );
}

function AxisFields({ state, onState }: { state: State; onState: (state: State) => void }) {
  const { limits, scale } = kAxes[state.along] as Axis;
  const least = scale === 'log' ? Math.max(limits[0], 1e-9) : limits[0];
  const end = (name: 'from' | 'to', value: number) => {
    const next = { ...state, [name]: Math.min(limits[1], Math.max(least, value)) };
    if (Number.isFinite(value) && next.from < next.to) onState(next);
  };
  const along = (name: string) => {
    const [from, to] = (kAxes[name] as Axis).range;
    onState({ ...state, along: name, from, to });
  };
  return (
    <fieldset>
      <legend>Figure</legend>
      <Select
        name="along"
        words="error against"
        choices={Object.entries(kAxes).map(([name, { title }]) => [name, title] as const)}
        value={state.along}
        onValue={along}
      />
      <div class="row">
        {(['from', 'to'] as const).map((name) => (
          <div key={name} class="small">
            <label for={name}>{name}</label>
            <input
              id={name}
              type="number"
              step="any"
              value={state[name]}
              onChange={(event) => end(name, Number(event.currentTarget.value))}
            />
          </div>
        ))}
        <div class="small">
          <label for="trials">trials a point</label>
          <input
            id="trials"
            type="number"
            min="0"
            max="100000"
            value={state.trials}
            onChange={(event) => {
              const trials = Math.round(Number(event.currentTarget.value));
              if (trials >= 0 && trials <= 100_000) onState({ ...state, trials });
            }}
          />
        </div>
      </div>
      <label class="check">
        <input
          type="checkbox"
          id="logarithmic"
          checked={state.logarithmic}
          onChange={(event) => onState({ ...state, logarithmic: event.currentTarget.checked })}
        />
        logarithmic error
      </label>
      {state.settings.length > 1 && (
        <label class="check">
          <input
            type="checkbox"
            id="difference"
            checked={state.difference}
            onChange={(event) => onState({ ...state, difference: event.currentTarget.checked })}
          />
          what changes: differences to A
        </label>
      )}
    </fieldset>
  );
}

function download(name: string, content: string | Blob, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

const kExport = { width: 720, height: 440, dark: false };

function TakeAway({ state, results }: { state: State; results: Results | undefined }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  const experiment = state.settings[state.selected] as Experiment;
  const show = async (form: 'study' | 'typescript') => {
    const points = trialPlacesOf(state, experiment).map(({ point }) => point);
    const answer = await ask('text', { form, experiment, points, seed: state.seed }).catch((error: unknown) => ({
      text: String(error),
    }));
    setText(answer.text);
    setSaid('');
    dialog.current?.showModal();
  };
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setSaid('copied'),
      () => setSaid('the browser does not allow it: select the text'),
    );
  const picture = async (to: 'svg' | 'png') => {
    if (results === undefined) return;
    const legend = state.settings.map((setting, i) => `${kNames[i]}: ${described(setting)}`);
    const { law, trials, best } = rowsOf(results, 'error');
    const named = <Row extends { readonly setting: string }>(rows: readonly Row[]) =>
      rows.map((row) => ({ ...row, setting: legend[kNames.indexOf(row.setting)] }));
    const spec = errorSpec(state, { ...kExport, legend });
    const data = { law: named(law), trials: named(trials), best: named(best) };
    if (to === 'svg') download('explored.svg', await svgOf(spec, data), 'image/svg+xml');
    else download('explored.png', await pngOf(spec, data), 'image/png');
  };
  const name = kNames[state.selected];
  return (
    <section class="take" aria-label="Take away">
      <button type="button" onClick={() => show('study')}>
        {name} as a study file
      </button>
      <button type="button" onClick={() => show('typescript')}>
        {name} as TypeScript
      </button>
      <button type="button" onClick={() => picture('svg')}>
        SVG
      </button>
      <button type="button" onClick={() => picture('png')}>
        PNG
      </button>
      <button type="button" onClick={() => results && download('explored.csv', csvOf(results), 'text/csv')}>
        CSV
      </button>
      <dialog ref={dialog} aria-label="Text to copy">
        <textarea readOnly rows={22} value={text} aria-label="Text" />
        <p class="buttons">
          <button type="button" onClick={copy}>
            Copy
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
          <span role="status">{said}</span>
        </p>
      </dialog>
    </section>
  );
}

function errorSpec(state: State, look: Look & { readonly legend?: readonly string[] }, metric = 'error'): object {
  const label = metricLabel(metric);
  const isSmall = metric !== 'error';
  return curvesSpec({
    ...look,
    axis: kAxes[state.along] as Axis,
    domain: [state.from, state.to],
    title: isSmall ? null : state.difference ? `difference of ${label} to A` : label,
    isSmall,
    logarithmic: state.logarithmic && !isSmall,
    difference: state.difference,
  });
}

function Figures({ results, selected }: { results: Results; selected: number }) {
  const { state, isRefined, settings, picture } = results;
  const narrow = window.innerWidth < kNarrow;
  const done = settings.flatMap(({ trials }) => trials.filter((each) => each !== undefined));
  const counted = done.reduce((sum, each) => sum + ('trials' in each ? each.trials : 0), 0);
  const drawn = `${addressOf(state)} ${isRefined ? 'fine' : 'coarse'} ${done.length} ${counted}`;
  const rows = rowsOf(results, 'error');
  const axis = kAxes[state.along] as Axis;
  const tokens = picture?.points.map(({ context, signal, relevant, label, attention }) => ({
    x: context,
    y: signal,
    kind: relevant ? `relevant, y = ${label > 0 ? '+1' : '−1'}` : 'irrelevant',
    // Of one token among as many as there are: an even share is half opaque.
    opacity:
      attention === null
        ? 0.5
        : Math.min(1, 0.5 * attention * Number(optionAt(state.settings[selected], 'mixture.tokens'))),
  }));
  const vectors = picture && [
    { x: picture.contextVector[0], y: picture.contextVector[1], name: 'q⋆' },
    { x: picture.signalVector[0], y: picture.signalVector[1], name: 'w⋆' },
  ];
  return (
    <>
      <section class="first" aria-label="Test error">
        <h2>Test error against {axis.title}</h2>
        <Drawing
          name="error"
          label={`Test error against ${axis.title}: lines are laws, points are simulation with 95 % intervals`}
          height={narrow ? 220 : 380}
          spec={(look) => errorSpec(state, look)}
          data={{ ...rows }}
          version={drawn}
        />
        <div aria-live="polite" class="quiet">
          <p>
            Lines: laws{isRefined ? '' : ', in the limit and from few draws while this changes'}. Points: means over{' '}
            {state.trials} trials with 95 % intervals.
            {state.difference ? '' : rows.best.map(({ text }) => ` Lowest of ${text}.`).join('')}
          </p>
          {remarks(results).map((remark) => (
            <p key={remark} class="warning">
              {remark}
            </p>
          ))}
        </div>
      </section>
      <div class="others">
        {otherMetrics(results).map((metric) => (
          <section key={metric} aria-label={metricLabel(metric)}>
            <h3>{capital(`${state.difference ? 'difference of ' : ''}${metricLabel(metric)}`)}</h3>
            <Drawing
              name={`metric-${metric}`}
              label={`${metricLabel(metric)} against ${axis.title}`}
              height={200}
              spec={(look) => errorSpec(state, look, metric)}
              data={{ ...rowsOf(results, metric) }}
              version={drawn}
            />
          </section>
        ))}
        {picture !== null && tokens !== undefined && vectors !== null && (
          <section aria-label="Tokens">
            <h3>
              Tokens of {picture.examples} examples of {kNames[selected]}
            </h3>
            <Drawing
              name="tokens"
              label="Tokens in the plane of q⋆ and w⋆; the more attention, the stronger"
              height={300}
              spec={pictureSpec}
              data={{ tokens, vectors }}
              version={drawn}
            />
            <p class="quiet">
              {picture.points[0]?.attention === null
                ? 'Attention is not known here.'
                : 'Strong tokens have much attention, faint ones little.'}
            </p>
          </section>
        )}
      </div>
    </>
  );
}

function Explorer() {
  const [state, setState] = useState(() => stateOf(location.hash, isAxis) ?? kBeginning);
  const [results, setResults] = useState<Results>();
  const [complaint, setComplaint] = useState(
    location.hash !== '' && stateOf(location.hash, isAxis) === null ? 'The address does not say what to show.' : '',
  );
  const dark = useDark();
  const computation = useMemo(() => new Computation({ show: setResults, complain: setComplaint }), []);
  const timer = useRef(0);
  useLayoutEffect(() => {
    computation.change(state);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => history.replaceState(null, '', addressOf(state)), 200);
  }, [state]);
  useLayoutEffect(() => {
    const listen = () => {
      const next = stateOf(location.hash, isAxis);
      if (next !== null) setState(next);
    };
    window.addEventListener('hashchange', listen);
    return () => window.removeEventListener('hashchange', listen);
  }, []);
  // Drawn again when there is something to draw, not while a slider only moves.
  const figures = useMemo(
    () => results !== undefined && <Figures results={results} selected={results.state.selected} />,
    [results],
  );
  const experiment = state.settings[state.selected] as Experiment;
  const onExperiment = (next: Experiment) =>
    setState((now) => ({ ...now, settings: now.settings.map((each, i) => (i === now.selected ? next : each)) }));
  return (
    <>
      <header>
        <h1>Explore prompt-attention</h1>
      </header>
      <div class="columns">
        <main>
          {complaint !== '' && (
            <p class="warning complaint" role="alert">
              {complaint}
            </p>
          )}
          {figures}
          <TakeAway state={state} results={results} />
        </main>
        <form class="controls" aria-label="Settings" onSubmit={(event) => event.preventDefault()}>
          <AxisFields state={state} onState={setState} />
          <Settings state={state} onState={setState} dark={dark} />
          <fieldset>
            <legend>Setting {kNames[state.selected]}</legend>
            <Select
              name="kind"
              words="experiment"
              choices={same(kKinds)}
              value={String(experiment.kind)}
              onValue={(kind) => onExperiment(withKind(experiment, kind))}
            />
          </fieldset>
          {fieldsOf(experiment).map(({ title, fields }) => (
            <fieldset key={title}>
              <legend>{title}</legend>
              {fields.map((field) => (
                <FieldInput key={field.path} field={field} experiment={experiment} onExperiment={onExperiment} />
              ))}
            </fieldset>
          ))}
        </form>
      </div>
    </>
  );
}

/** Show the page in an element. */
export function start(element: HTMLElement): void {
  render(<Explorer />, element);
}
