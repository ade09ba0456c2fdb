import type { Point } from './axes.js';
import type { Experiment } from './state.js';

/** A mean with its interval, or a value of a law. */
export interface Estimate {
  readonly mean: number | null;
  readonly standardError?: number | null;
  readonly reliable?: boolean;
}

/** What the server says of a law at a point. */
export type PointLaw = Readonly<Record<string, Estimate>> | { readonly problem: string } | null;

export interface Interval {
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** What the server says of trials at a point. */
export interface PointTrials {
  readonly trials: number;
  readonly failed: number;
  /** What is wrong with the mean error; empty if nothing is. */
  readonly marks: readonly string[];
  readonly metrics: Readonly<Record<string, Interval>>;
}

/** A token of the picture. */
export interface Token {
  readonly context: number;
  readonly signal: number;
  readonly relevant: boolean;
  readonly label: number;
  readonly attention: number | null;
}

/** Tokens of some examples in the plane of q⋆ and w⋆. */
export interface Picture {
  readonly examples: number;
  readonly points: readonly Token[];
  readonly contextVector: readonly [number, number];
  readonly signalVector: readonly [number, number];
  readonly prompt: readonly [number, number] | null;
}

/** What the server can be asked. */
interface Questions {
  laws: {
    readonly question: {
      readonly curves: readonly { readonly experiment: Experiment; readonly points: readonly Point[] }[];
      /** Of a slider that moves. */
      readonly quick: boolean;
    };
    readonly answer: { readonly curves: readonly (readonly PointLaw[])[] };
  };
  trials: {
    readonly question: {
      readonly experiment: Experiment;
      readonly point: Point;
      readonly trials: number;
      readonly seed: number;
    };
    readonly answer: PointTrials;
  };
  tokens: {
    readonly question: { readonly experiment: Experiment; readonly seed: number };
    readonly answer: Picture | null;
  };
  text: {
    readonly question: {
      readonly form: 'study' | 'typescript';
      readonly experiment: Experiment;
      readonly points: readonly Point[];
      readonly seed: number;
    };
    readonly answer: { readonly text: string };
  };
}

/** Ask the server; aborted, it stops working. */
export async function ask<Name extends keyof Questions>(
  name: Name,
  question: Questions[Name]['question'],
  signal?: AbortSignal,
): Promise<Questions[Name]['answer']> {
  const response = await fetch(name, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(question),
    ...(signal === undefined ? {} : { signal }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(String((answer as { readonly error?: unknown }).error));
  return answer as Questions[Name]['answer'];
}
