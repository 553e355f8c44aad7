import type { z } from 'zod';
import type { RequestStats } from '../context.ts';
import { respond } from '../response.ts';

/** What an endpoint's schema says of its answer. */
export type AnswerOf<Endpoint extends { readonly answer: z.ZodType | 'bytes' }> = Immutable<
  z.output<Exclude<Endpoint['answer'], 'bytes'>>
>;

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

/** Sends a body of JSON. */
export function send(stats: RequestStats, json: string): Response {
  const bytes = new TextEncoder().encode(json);
  stats.sent = bytes.length;
  return respond(bytes, {
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': String(bytes.length),
      // A repository may change at any time, and access to it, too.
      'Cache-Control': 'no-cache',
    },
  });
}
