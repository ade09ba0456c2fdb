import { type Axis, kAxes } from './axes.js';
import { Select } from './inputs.js';
import { described } from './results.js';
import { colorOf, kNames } from './specs.js';
import { type Experiment, kMostSettings, type State } from './state.js';

/** The settings that are compared, and which of them the fields are of. */
export function Settings({ state, onState, dark }: { state: State; onState: (state: State) => void; dark: boolean }) {
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

/** What is drawn against what. */
export function AxisFields({ state, onState }: { state: State; onState: (state: State) => void }) {
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
