import { ask, type PointLaw } from './requests.js';
import { placesOf, type Results, type SettingResults, trialPlacesOf } from './results.js';
import type { State } from './state.js';

/** Points of the curves that follow a slider … */
const kCoarsePoints = 13;
/** … and of those that stay. */
const kFinePoints = 41;
/** Milliseconds without a change before anything but coarse laws is computed. */
const kQuiet = 120;
/** Trials of every point before any point has more. */
const kRounds = [8, 32];

/** Whoever shows results. */
interface Audience {
  show(results: Results): void;
  /** Something went wrong with everything; empty: nothing any more. */
  complain(message: string): void;
}

/**
 * Computes what a state needs: coarse laws at once, then fine ones, the picture, and trials. At most one request for coarse laws is under
 * way: while a slider moves, the next one is for where it is then. Everything else is given up at a change.
 */
export class Computation {
  private wanted: State | undefined;
  private isUnderWay = false;
  private slow = new AbortController();
  private timer = 0;

  constructor(private readonly audience: Audience) {}

  /** Another state is to be shown. */
  change(state: State): void {
    this.slow.abort();
    this.slow = new AbortController();
    window.clearTimeout(this.timer);
    this.wanted = state;
    if (!this.isUnderWay) void this.follow();
  }

  private async laws(state: State, quick: boolean, signal?: AbortSignal): Promise<Results> {
    const places = state.settings.map((experiment) => placesOf(state, experiment, quick ? kCoarsePoints : kFinePoints));
    const curves = state.settings.map((experiment, i) => ({
      experiment,
      points: (places[i] ?? []).map(({ point }) => point),
    }));
    const answer = await ask('laws', { curves, quick }, signal);
    const settings = state.settings.map((experiment, i): SettingResults => {
      const trialPlaces = trialPlacesOf(state, experiment);
      return {
        places: places[i] ?? [],
        laws: answer.curves[i] as readonly PointLaw[],
        trialPlaces,
        trials: trialPlaces.map(() => undefined),
      };
    });
    return { state, isRefined: !quick, settings, picture: null };
  }

  private async follow(): Promise<void> {
    this.isUnderWay = true;
    while (this.wanted !== undefined) {
      const state = this.wanted;
      this.wanted = undefined;
      const { signal } = this.slow;
      try {
        const results = await this.laws(state, true);
        this.audience.complain('');
        this.audience.show(results);
        if (this.wanted === undefined) this.timer = window.setTimeout(() => void this.refine(results, signal), kQuiet);
      } catch (error) {
        this.fail(error);
      }
    }
    this.isUnderWay = false;
  }

  private fail(error: unknown): void {
    const isGone = error instanceof TypeError;
    this.audience.complain(
      isGone ? 'The program that computes has ended. Start it again and open its new address.' : String(error),
    );
  }

  private async refine(coarse: Results, signal: AbortSignal): Promise<void> {
    const { state } = coarse;
    const experiment = state.settings[state.selected];
    if (signal.aborted || experiment === undefined) return;
    try {
      const fine = await this.laws(state, false, signal);
      if (signal.aborted) return;
      this.audience.show(fine);
      // A wrong option has been told by the laws.
      const picture = await ask('tokens', { experiment, seed: state.seed }, signal).catch(() => null);
      if (signal.aborted) return;
      const results = { ...fine, picture };
      this.audience.show(results);
      await this.simulate(results, signal);
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  private async simulate(results: Results, signal: AbortSignal): Promise<void> {
    const { state } = results;
    const settings = results.settings.map((setting) => ({ ...setting, trials: [...setting.trials] }));
    const rounds = [...kRounds.filter((trials) => trials < state.trials), state.trials].filter((trials) => trials > 1);
    for (const trials of rounds) {
      const most = Math.max(...settings.map(({ trialPlaces }) => trialPlaces.length));
      for (let i = 0; i < most; ++i) {
        for (const [s, setting] of settings.entries()) {
          const place = setting.trialPlaces[i];
          const experiment = state.settings[s];
          if (place === undefined || experiment === undefined) continue;
          const before = setting.trials[i];
          if (before !== undefined && 'problem' in before) continue;
          const question = { experiment, point: place.point, trials, seed: state.seed };
          setting.trials[i] = await ask('trials', question, signal).catch((error: unknown) => ({
            problem: error instanceof Error ? error.message : String(error),
          }));
          if (signal.aborted) return;
        }
        this.audience.show({
          ...results,
          settings: settings.map((setting) => ({ ...setting, trials: [...setting.trials] })),
        });
      }
    }
  }
}
