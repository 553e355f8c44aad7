import { type ErrorDetail, type ErrorKind, RegistryError, Unanswered } from '../oci/errors.ts';

/** An error in the form in which it travels from one thread to another: a clone keeps neither its class nor its fields. */
export type ErrorMessage =
  | {
      readonly kind: 'refusal';
      readonly refusal: ErrorKind;
      readonly message: string;
      readonly detail: ErrorDetail | undefined;
    }
  | { readonly kind: 'unanswered'; readonly message: string }
  | {
      readonly kind: 'other';
      readonly name: string;
      readonly message: string;
      readonly code: string | undefined;
      readonly stack: string | undefined;
    };

/** An error of another thread. It has no class here; it is known by its `name` and `code`. */
class ThreadError extends Error {
  override readonly name: string;
  /** Such as `ENOSPC`, as the other thread's error had it. */
  readonly code: string | undefined;

  constructor({ name, message, code, stack }: Extract<ErrorMessage, { kind: 'other' }>) {
    super(message);
    this.name = name;
    this.code = code;
    // Where the other thread failed says more than where this thread received it.
    if (stack !== undefined) this.stack = stack;
  }
}

export function errorMessage(error: unknown): ErrorMessage {
  if (error instanceof RegistryError) {
    const { kind: refusal, message, detail } = error;
    return { kind: 'refusal', refusal, message, detail };
  }
  if (error instanceof Unanswered) return { kind: 'unanswered', message: error.message };
  if (!(error instanceof Error))
    return { kind: 'other', name: 'Error', message: String(error), code: undefined, stack: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { kind: 'other', name: error.name, message: error.message, code, stack: error.stack };
}

export function errorOf(received: ErrorMessage): Error {
  switch (received.kind) {
    case 'refusal':
      return new RegistryError(received.refusal, received.message, received.detail);
    case 'unanswered':
      return new Unanswered(received.message);
    case 'other':
      return new ThreadError(received);
  }
}
