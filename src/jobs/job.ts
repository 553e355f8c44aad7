import { z } from 'zod';
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';

const repo = z.custom<RepositoryName>((text) => typeof text === 'string' && parseRepositoryName(text) !== undefined);

/*
 * All background work. A job names its subject, such as a repository, and its handler decides what to do when it runs. So it is
 * always correct to run a job twice, late, or again after a crash.
 */
const SCHEMAS = {
  /** Write a snapshot of one repository, if enough was appended since the last one. */
  snapshot: z.object({ kind: z.literal('snapshot'), repo }),
  /** Find repositories whose snapshot is due although no job was enqueued. */
  'sweep-snapshots': z.object({ kind: z.literal('sweep-snapshots') }),
  /** Find slots that no note names. */
  'sweep-notes': z.object({ kind: z.literal('sweep-notes') }),
  /** End expired upload sessions and delete their bytes. */
  'expire-uploads': z.object({ kind: z.literal('expire-uploads') }),
  /** Abort multipart uploads that no session refers to. */
  'reap-multiparts': z.object({ kind: z.literal('reap-multiparts') }),
  /** Collect garbage. With `request`, the id of an operator's request: all of it, and report on it. */
  collect: z.object({ kind: z.literal('collect'), request: z.string().optional() }),
  /**
   * Delete what the retention file no longer keeps. With `request`, the id of an operator's request: report on it. With `dryRun`: only
   * find out what it would delete, for people.
   */
  retain: z.object({
    kind: z.literal('retain'),
    request: z.string().optional(),
    dryRun: z.literal(true).optional(),
  }),
} as const;

export type Kind = keyof typeof SCHEMAS;
export type JobOf<K extends Kind> = z.infer<(typeof SCHEMAS)[K]>;
export type Job = { [K in Kind]: JobOf<K> }[Kind];
/** Kinds whose jobs need no parameters, so that they can be scheduled. */
export type PeriodicKind = { [K in Kind]: { kind: K } extends JobOf<K> ? K : never }[Kind];

export const KINDS = Object.keys(SCHEMAS) as readonly Kind[];

export function parseKind(text: string): Kind | undefined {
  return KINDS.find((kind) => kind === text);
}

/** Parses a job from a queue. Another version or program may have written it, so it is validated; undefined if it is invalid. */
export function parseJob(kind: Kind, payload: unknown): Job | undefined {
  const parsed = SCHEMAS[kind].safeParse(payload);
  return parsed.success ? parsed.data : undefined;
}

/** Jobs with the same key do the same work. */
export function keyOf(job: Job): string {
  if (job.kind === 'snapshot') return `snapshot:${job.repo}`;
  if (job.kind === 'retain' && job.dryRun === true) return 'retain:dry-run';
  return 'request' in job && job.request !== undefined ? `${job.kind}:${job.request}` : job.kind;
}
