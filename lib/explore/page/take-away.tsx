import { useRef, useState } from 'preact/hooks';
import { pngOf, svgOf } from './chart.js';
import { errorSpec } from './drawing.js';
import { ask } from './requests.js';
import { csvOf, described, type Results, rowsOf, trialPlacesOf } from './results.js';
import { kNames } from './specs.js';
import type { Experiment, State } from './state.js';

function download(name: string, content: string | Blob, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

const kExport = { width: 720, height: 440, dark: false };

/** What is shown as a file, and a setting as text. */
export function TakeAway({ state, results }: { state: State; results: Results | undefined }) {
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
