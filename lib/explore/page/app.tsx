import { render } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { kAxes } from './axes.js';
import { Computation } from './computation.js';
import { AxisFields, Settings } from './controls.js';
import { useDark } from './drawing.js';
import { fieldsOf, kKinds, withKind } from './fields.js';
import { Figures } from './figures.js';
import { FieldInput, Select, same } from './inputs.js';
import type { Results } from './results.js';
import { kNames } from './specs.js';
import { addressOf, type Experiment, kBeginning, stateOf } from './state.js';
import { TakeAway } from './take-away.js';

const isAxis = (name: string) => Object.hasOwn(kAxes, name);

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
