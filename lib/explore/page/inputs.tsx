import { changed, type Field, fieldValue, kStops, type NumberField, sliderOf, sliderValue } from './fields.js';
import { short } from './results.js';
import type { Experiment } from './state.js';

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

export function Select({ name, words, choices, value, onValue }: SelectProps) {
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

export const same = (names: readonly string[]) => names.map((name) => [name, name.replaceAll('-', ' ')] as const);

export function FieldInput({
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
