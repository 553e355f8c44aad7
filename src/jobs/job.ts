import { z } from 'zod';
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';

const repo = z.custom<RepositoryName>((text) => typeof text === 'string' && parseRepositoryName(text) !== undefined);

/*
 * Everything that the background does. A job names what to look at, never what to do to it: the handler finds that out when it
 * runs, so that running it twice, late or again after a crash is always right.
 */
const SCHEMAS = {
  /** Write the state of one repository as a snapshot, if enough was appended since the last one. */
  snapshot: z.object({ kind: z.literal('snapshot'), repo }),
  /** Look through all repositories for those whose snapshot is due, though nobody asked for it. */
  'sweep-snapshots': z.object({ kind: z.literal('sweep-snapshots') }),
  /** End upload sessions that are too old, with their bytes. */
  'expire-uploads': z.object({ kind: z.literal('expire-uploads') }),
  /** Abort multipart uploads of the store that no session knows any more. */
  'reap-multiparts': z.object({ kind: z.literal('reap-multiparts') }),
  /** Collect garbage; `request` names the wish of an operator, who wants all of it gone and a report. */
  collect: z.object({ kind: z.literal('collect'), request: z.string().optional() }),
  /** Delete what the retention file no longer keeps; `request` names the wish of an operator, who wants a report. */
  retain: z.object({ kind: z.literal('retain'), request: z.string().optional() }),
} as const;

export type Kind = keyof typeof SCHEMAS;
export type JobOf<K extends Kind> = z.infer<(typeof SCHEMAS)[K]>;
export type Job = { [K in Kind]: JobOf<K> }[Kind];
/** Kinds whose jobs need name nothing: they can run by the clock. */
export type PeriodicKind = { [K in Kind]: { kind: K } extends JobOf<K> ? K : never }[Kind];

export const KINDS = Object.keys(SCHEMAS) as readonly Kind[];

export function parseKind(text: string): Kind | undefined {
  return KINDS.find((kind) => kind === text);
}

/** A job as it comes out of a queue, where another version may have put it; undefined for anything else. */
export function parseJob(kind: Kind, payload: unknown): Job | undefined {
  const parsed = SCHEMAS[kind].safeParse(payload);
  return parsed.success ? parsed.data : undefined;
}

/** Two jobs with the same key do the same work. */
export function keyOf(job: Job): string {
  if (job.kind === 'snapshot') return `snapshot:${job.repo}`;
  return 'request' in job && job.request !== undefined ? `${job.kind}:${job.request}` : job.kind;
}
