import { hostname } from 'node:os';
import { z } from 'zod';

const MAX_TEXT = 255;
/** The latest time that a Date can have, in milliseconds. */
const MAX_TIME = 8.64e15;
/** Neither control characters nor those that turn the direction of the text around them. */
export const text = z
  .string()
  .max(MAX_TEXT)
  .regex(/^\P{C}+$/u);

/** What a process says of itself. Later versions may add fields. */
export const announcement = z.object({
  /** As in the log. */
  name: text,
  role: z.enum(['node', 'worker']),
  /** The process on its machine. */
  pid: z.int().positive(),
  /** Of Marina. */
  version: text,
  threads: z.int().positive(),
  /** Milliseconds since 1970. */
  started: z.number().nonnegative().max(MAX_TIME),
  isDraining: z.boolean(),
  /** The kinds of jobs that a worker runs. */
  jobs: z.array(text).max(50),
  /** Where a node listens. */
  address: text.optional(),
  /** SHA-256 of ACCESS_FILE, in hex, if this process uses one. */
  rules: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

export type Announcement = z.infer<typeof announcement>;

/** A text of the settings or of the machine, as an announcement can have it. */
export function announced(text: string): string {
  return text.slice(0, MAX_TEXT).replace(/\p{C}/gu, '?') || '?';
}

/** Where a process listens, as others may reach it: by the name of its machine if it listens on all addresses. */
export function addressOf(scheme: string, host: string, port: number): string {
  const reached = host === '0.0.0.0' || host === '::' ? hostname() : host;
  return announced(`${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`);
}
