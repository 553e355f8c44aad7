import { z } from 'zod';
import type { CollectionProgress } from '../collection/collect.ts';
import type { RetentionProgress } from '../retention/retain.ts';
import type { Outcome } from '../webhooks/sender.ts';

/*
 * The control protocol between the operator's commands and the server that holds the data folder. It is HTTP over a Unix socket in that
 * folder, so only the folder's owner can reach it.
 *
 *   POST   /collections/<ULID>     requests a collection; its report carries the ULID
 *   GET    /collections/progress   the progress of the running one, or null
 *   POST   /retentions/<ULID>      requests a retention run; its report carries the ULID
 *   GET    /retentions/progress    the progress of the running one, or null
 *   GET    /requests               how many requests clients have made since the start
 *   DELETE /repositories/<name>    deletes a repository
 *   POST   /restorations/<name>    restores what the body says (registry/restoration.ts); the response says what was done
 *   POST   /robots/<name>          changes a robot as the body says (access/robots/decide.ts)
 *   POST   /holds/<ULID>           creates a hold with the content of the body (collection/holds.ts); DELETE ends it
 *   PUT    /holds/<ULID>           creates it, or replaces it by the same with a later end
 *   POST   /backups/<ULID>         stores the report of a backup that ended (backup/run-reports.ts)
 *   POST   /webhooks/<name>/order  does with a webhook what the body says (webhooks/orders.ts); the response says whether it is done yet
 *   POST   /webhooks/<name>/test   sends a test delivery; the response is its outcome
 *   PUT    /read-only              makes the registry refuse writes; DELETE makes it accept them again
 *   POST   /promotion               makes a replica a primary
 *   POST   /imports                imports another registry; the response is progress, problems and a report, one JSON object per line
 */

/** Relative to the data folder; the next start removes leftovers. */
export const CONTROL_SOCKET = 'tmp/control';

/** What slots that an operator's command writes without a server name as their node. */
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

export const requestsAnswer = z.object({ begun: z.number() });

export const webhookOrderAnswer = z.object({ isDone: z.boolean() });

export const webhookOutcome: z.ZodType<Outcome> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('accepted'), status: z.number() }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
]);

export const refusalAnswer = z.object({ kind: z.string(), message: z.string() });
