import type { Answer } from '../projection/projection.ts';

/**
 * Applies a function to a value that may be a promise. A plain value is used synchronously: one more promise would cost a pull a
 * tenth of its time, and Bun sends a response more cheaply if the handler returns it synchronously.
 */
export function mapMaybeAsync<T, U>(answer: Answer<T>, use: (value: T) => Answer<U>): Answer<U> {
  return answer instanceof Promise ? answer.then(use) : use(answer);
}
