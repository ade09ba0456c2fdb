/** A call under way. */
export interface Call {
  readonly promise: Promise<unknown>;
  cancel(): void;
}

/** A function to be called with hostile requests. */
export interface Target {
  /** One that works. */
  readonly request: object;
  /** Whether the request is an argument itself, or its fields are. */
  readonly isArgument: boolean;
  /** Whether the answer is a function of the request. */
  readonly repeatable: boolean;
  call(request: never): Call;
  /** Whether an error is one of those that the function is said to throw. */
  isTyped(error: unknown): boolean;
}

/** What the language itself throws at whoever reads a revoked proxy, or an array that is detached while it is read. */
export const isOfLanguage = (error: unknown): boolean =>
  error instanceof TypeError && /on a proxy that has been revoked|on a detached ArrayBuffer/.test(error.message);

/** What a call under way rejects with that was cancelled: by the addon, or by a signal with this reason. */
export const isCancellation = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_CANCELLED';
export const cancellation: Error = Object.assign(new Error('cancelled'), { code: 'ERR_CANCELLED' });

/** An answer that is there at once, or an error that is thrown at once, as a call. */
export function callOf(call: () => unknown, cancel: () => void = () => {}): Call {
  try {
    return { promise: Promise.resolve(call()), cancel };
  } catch (error) {
    const promise = Promise.reject(error);
    return { promise, cancel };
  }
}
