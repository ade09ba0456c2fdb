/**
 * Machine-readable reason carried by every error this package throws on purpose.
 *
 * - `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`: an option is not of the expected type, or not in the expected range.
 * - `ERR_STUDY`: a study file or specification cannot be used as it stands.
 * - `ERR_DATA`: a data set cannot be found or read.
 * - `ERR_STORE`: a result store cannot be opened, read or written, or belongs to another study.
 * - `ERR_CONVERGENCE`: equations could not be solved to the accuracy promised.
 * - `ERR_NATIVE`: the native addon could not be loaded, or failed inside a computation.
 */
export type ErrorCode =
  | 'ERR_OPTION_TYPE'
  | 'ERR_OPTION_RANGE'
  | 'ERR_STUDY'
  | 'ERR_DATA'
  | 'ERR_STORE'
  | 'ERR_CONVERGENCE'
  | 'ERR_NATIVE';

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === 'string' && name !== 'Object' ? `a value of class ${name}` : 'an object';
}

/** An option of the wrong type. `option` is its path, for example `mixture.tokens`. */
export class OptionTypeError extends TypeError {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_OPTION_TYPE';
  /** Path of the option. */
  readonly option: string;
  /** What was expected: completes the sentence "`option` must be …". */
  readonly expected: string;
  constructor(option: string, expected: string, received: unknown) {
    super(`${option} must be ${expected}; got ${describe(received)}`);
    this.name = 'OptionTypeError';
    this.option = option;
    this.expected = expected;
  }
}

/** An option of the right type whose value is not allowed. `option` is its path, for example `mixture.correlation`. */
export class OptionRangeError extends RangeError {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_OPTION_RANGE';
  /** Path of the option. */
  readonly option: string;
  /** What was expected: completes the sentence "`option` must be …". */
  readonly expected: string;
  constructor(option: string, expected: string, received: unknown) {
    super(`${option} must be ${expected}; got ${describe(received)}`);
    this.name = 'OptionRangeError';
    this.option = option;
    this.expected = expected;
  }
}

/** A study that cannot be used as specified: unreadable file, wrong structure, factor path that does not exist. */
export class StudyError extends Error {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_STUDY';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StudyError';
  }
}

/** A data set that is missing, or whose files are damaged or not of the expected kind. */
export class DataError extends Error {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_DATA';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DataError';
  }
}

/** A result store that cannot be opened, read or written, or that belongs to another study. */
export class StoreError extends Error {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_STORE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
  }
}

/** Equations that could not be solved to the accuracy promised; `state` is how far the solver got. */
export class ConvergenceError extends Error {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_CONVERGENCE';
  /** The unknowns and the relative residuals of the equations at the last iterate, by name. */
  readonly state: Readonly<Record<string, number | readonly number[]>>;
  constructor(message: string, state: Readonly<Record<string, number | readonly number[]>>) {
    super(message);
    this.name = 'ConvergenceError';
    this.state = state;
  }
}

/** The native addon could not be loaded, or a computation inside it failed. */
export class NativeError extends Error {
  /** What kind of error it is. */
  readonly code: ErrorCode = 'ERR_NATIVE';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NativeError';
  }
}
