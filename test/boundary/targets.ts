/** A call under way. */
export interface Call {
  readonly promise: Promise<unknown>;
  cancel(): void;
}

/** A function to be called with hostile requests. */
export interface Target {
  /** One that works. */
  readonly request: object;
  /** Whether the answer is a function of the request. */
  readonly repeatable: boolean;
  call(request: never): Call;
}

/** An answer that is there at once, or an error that is thrown at once, as a call. */
export function callOf(call: () => unknown, cancel: () => void = () => {}): Call {
  try {
    return { promise: Promise.resolve(call()), cancel };
  } catch (error) {
    const promise = Promise.reject(error);
    return { promise, cancel };
  }
}
