import { capital } from '../../report/figures/style.js';
import { metricLabel } from '../../report/labels.js';
import { type Axis, kAxes } from './axes.js';
import { Drawing, errorSpec } from './drawing.js';
import { otherMetrics, type Results, remarks, rowsOf } from './results.js';
import { kNames, pictureSpec } from './specs.js';
import { addressOf, optionAt } from './state.js';

/** Narrower windows have lower figures. */
const kNarrow = 640;

/** All figures, and what is to be said of them. */
export function Figures({ results, selected }: { results: Results; selected: number }) {
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
