import { z } from 'zod';
import type { CollectionProgress } from '../collection/collect.ts';
import type { RetentionProgress } from '../retention/retain.ts';

/*
 * How the operator's commands ask the server that holds their data folder: HTTP over a socket in it, which only those reach who
 * may write to the folder anyway.
 *
 *   POST   /collections/<ULID>     asks for a collection; its report names the ULID
 *   GET    /collections/progress   how far the one is that runs now, or null
 *   POST   /retentions/<ULID>      asks for a run of retention; its report names the ULID
 *   GET    /retentions/progress    how far the one is that runs now, or null
 *   DELETE /repositories/<name>    deletes a repository
 *   POST   /restorations/<name>    brings back what the body says (registry/restoration.ts), and answers what it did
 *   POST   /imports                takes over another registry; the answer tells of it, line by line, until it is over
 */

/** Below the data folder; what lies there is removed at the next start. */
export const CONTROL_SOCKET = 'tmp/control';

/** Who stands in the log for what an operator did. */
export const OPERATOR = 'operator';

export const collectionProgress: z.ZodType<CollectionProgress> = z.object({
  phase: z.enum(['uploads', 'epochs', 'logs', 'objects', 'deleting']),
  examined: z.number(),
  freed: z.number(),
});

export const retentionProgress: z.ZodType<RetentionProgress> = z.object({
  done: z.number(),
  total: z.number(),
  repository: z.string(),
});

export const refusalAnswer = z.object({ kind: z.string(), message: z.string() });
