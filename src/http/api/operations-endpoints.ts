import { z } from 'zod';
import { command, endpoint } from './endpoint.ts';
import { bytes, time } from './fields.ts';

/* How this registry runs, and what administrators can order. It needs the right `admin`. */

const none = z.strictObject({});
const WHO = 'It needs the right `admin`.';
const amount = z.strictObject({ objects: z.int().nonnegative(), bytes });
const seconds = z.number().nonnegative();
const problem = z.string().optional().describe('Why the rest of this object is missing.');

export const operations = endpoint({
  kind: 'api-operations',
  path: '/api/v1/operations',
  summary: 'How this registry runs: its processes, jobs, webhooks, collection, and what it depends on',
  description: `${WHO} Each part has two seconds; of one that cannot be read there is only \`problem\`.`,
  params: none,
  query: none,
  answer: z.strictObject({
    node: z.strictObject({
      problem,
      name: z.string().optional(),
      version: z.string().optional(),
      shape: z.enum(['embedded', 'cluster']).optional(),
      storage: z.string().optional(),
      store: z.string().optional().describe('ULID of the store.'),
      started: time.optional(),
      hasRetention: z.boolean().optional().describe('Whether RETENTION_FILE is set, so that a run can be ordered.'),
      memory: bytes.optional().describe('Resident bytes of the process.'),
      threads: z
        .array(
          z.strictObject({
            index: z.int().nonnegative(),
            requests: z
              .int()
              .nonnegative()
              .optional()
              .describe('In progress. Absent if the thread did not answer within a second.'),
          }),
        )
        .optional(),
    }),
    processes: z
      .strictObject({
        problem: z.string().optional().describe('Why only the process that answers is listed.'),
        processes: z
          .array(
            z.strictObject({
              id: z.string().describe('ULID of this run of the process.'),
              name: z.string(),
              role: z.enum(['node', 'worker']),
              this: z.boolean().describe('Whether it is the one that answers.'),
              state: z
                .enum(['alive', 'late', 'draining', 'gone'])
                .describe('late: not heard for 15 s. gone: not heard for a minute.'),
              silentSeconds: seconds.describe('How long it has not been heard.'),
              pid: z.int().positive(),
              version: z.string(),
              threads: z.int().positive(),
              started: time.describe('By its own clock.'),
              jobs: z.array(z.string()).optional().describe('The kinds of jobs that a worker runs.'),
              address: z.string().optional().describe('Where a node listens.'),
              rules: z.string().optional().describe('SHA-256 of the ACCESS_FILE in use, in hex.'),
            }),
          )
          .optional(),
      })
      .describe('Of a cluster, all nodes and workers of the last day that did not say that they end.'),
    services: z.array(
      z.strictObject({
        name: z.enum(['store', 'redis']),
        milliseconds: z.number().optional().describe('Of one request.'),
        problem: z.string().optional(),
      }),
    ),
    writes: z.strictObject({
      problem,
      state: z.enum(['writable', 'paused', 'read-only', 'replica']).optional(),
      since: z.string().optional().describe('When the switch was turned on.'),
      by: z.string().optional(),
    }),
    jobs: z.strictObject({
      problem,
      kinds: z
        .array(
          z.strictObject({
            kind: z.string(),
            waiting: z.int().nonnegative(),
            active: z.int().nonnegative(),
            delayed: z.int().nonnegative(),
            failed: z.int().nonnegative().describe('Dead letters.'),
            oldestSeconds: seconds.describe('How long the oldest has been ready to run.'),
          }),
        )
        .optional(),
      deadLetters: z
        .array(
          z.strictObject({
            id: z.string(),
            kind: z.string(),
            attempts: z.int().nonnegative(),
            reason: z.string(),
            failed: time,
          }),
        )
        .optional()
        .describe('The newest 50.'),
    }),
    webhooks: z
      .strictObject({
        problem,
        webhooks: z
          .array(
            z.strictObject({
              name: z.string(),
              host: z.string(),
              format: z.string(),
              state: z.enum(['not started', 'paused', 'failing', 'up to date', 'delivering']),
              behind: z.strictObject({
                changes: z.int().nonnegative(),
                more: z.boolean().describe('Whether there are more than were counted.'),
                seconds: seconds.describe('Age of the oldest.'),
              }),
              failing: z.strictObject({ since: time, attempts: z.int().nonnegative(), reason: z.string() }).optional(),
              totals: z
                .strictObject({
                  delivered: z.int().nonnegative(),
                  skipped: z.int().nonnegative(),
                  failed: z.int().nonnegative(),
                })
                .optional(),
            }),
          )
          .optional(),
      })
      .describe('Those of WEBHOOKS_FILE; empty if that is not set.'),
    replica: z
      .strictObject({
        problem,
        source: z.string().optional(),
        promoted: z.string().optional(),
        changes: z.int().nonnegative().optional(),
        repositories: z.int().nonnegative().optional(),
        bytes: bytes.optional(),
        seconds: seconds.optional(),
        more: z.boolean().optional(),
        missing: z.int().nonnegative().optional().describe('Objects that the source lacks.'),
      })
      .describe('What this replica lacks of its source; empty if this store is no replica.'),
    replicas: z
      .strictObject({
        problem,
        replicas: z
          .array(
            z.strictObject({
              id: z.string().describe("ULID of the replica's objects."),
              name: z.string().describe('Of the process that copies.'),
              client: z.string().optional().describe('Its address.'),
              silentSeconds: seconds.describe('Since its last request. One that has everything makes one every 30 s.'),
              note: z.int().nonnegative().describe('The last note of changes that it has.'),
              behind: z.strictObject({
                notes: z.int().nonnegative().describe('Notes that it does not have.'),
                since: time.optional().describe('When the oldest of them was written.'),
              }),
            }),
          )
          .optional(),
      })
      .describe('The replicas of this registry that were heard in the last day; without Redis since the start.'),
    collection: z
      .strictObject({
        problem,
        started: time.optional(),
        finished: time.optional(),
        examined: amount.optional(),
        kept: amount.optional(),
        freed: amount.optional(),
        waiting: amount.optional(),
        unlinked: z.int().nonnegative().optional(),
        failures: z.int().nonnegative().optional(),
        failed: z.string().optional().describe('Why it ended early.'),
      })
      .describe('The last one; empty before it.'),
    retention: z
      .strictObject({
        problem,
        started: time.optional(),
        finished: time.optional(),
        repositories: z.int().nonnegative().optional(),
        tags: z.int().nonnegative().optional(),
        manifests: z.int().nonnegative().optional(),
        bytes: bytes.optional(),
        failures: z.int().nonnegative().optional(),
        failed: z.string().optional(),
      })
      .describe('The last run; empty before it.'),
    holds: z.strictObject({
      problem,
      holds: z
        .array(
          z.strictObject({
            id: z.string(),
            name: z.string(),
            moment: time,
            until: time,
            by: z.string(),
            repositories: z.int().nonnegative(),
            backup: z.boolean().describe('Whether it is that of a backup in progress.'),
          }),
        )
        .optional()
        .describe('Pins, and backups in progress.'),
    }),
    backups: z.strictObject({
      problem,
      backups: z
        .array(
          z.strictObject({
            run: z.string().describe('ULID of the run; if it made a backup, the id of that.'),
            name: z.string(),
            place: z.string(),
            by: z.string(),
            started: time,
            finished: time,
            whole: z.boolean().describe('Whether there is a backup.'),
            failed: z.string().optional().describe('Why there is none.'),
            added: z
              .strictObject({ objects: z.int().nonnegative(), bytes, slots: z.int().nonnegative() })
              .describe('What the run added to the place.'),
            cut: z
              .strictObject({
                moment: time,
                note: z.int().nonnegative().describe('The last one of the notes of changes.'),
                repositories: z.int().nonnegative(),
              })
              .optional()
              .describe('The moment that it has; absent if the run ended before.'),
          }),
        )
        .optional()
        .describe('Those that ended, the newest first, at most 52. What became of the place since is not known.'),
    }),
  }),
  errors: [],
});

const name = z.string().max(63).describe('Of a webhook.');

export const operationsOrder = command({
  kind: 'api-order',
  path: '/api/v1/operations',
  summary:
    'Turns the read-only switch, starts a collection or retention, retries a job, or orders something of a webhook',
  description: `${WHO} As \`marina read-only\`, \`gc\`, \`retention\`, \`jobs --retry\` and \`webhooks\`.`,
  body: z.discriminatedUnion('action', [
    z.strictObject({ action: z.literal('read-only'), on: z.boolean() }),
    z.strictObject({ action: z.enum(['collect', 'retain']) }),
    z.strictObject({ action: z.literal('retry-job'), id: z.string().max(500) }),
    z.strictObject({ action: z.enum(['pause-webhook', 'resume-webhook', 'test-webhook']), name }),
    z.strictObject({
      action: z.literal('replay-webhook'),
      name,
      since: z.string().max(500).describe('As `since` of /api/v1/changes.'),
    }),
  ]),
  answer: z.strictObject({
    done: z.boolean().describe('False: it was accepted, and happens later; or a webhook did not accept the test.'),
    message: z.string(),
  }),
  errors: [],
});

export const OPERATIONS_ENDPOINTS = [operations, operationsOrder] as const;
