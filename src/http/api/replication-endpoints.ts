import { z } from 'zod';
import { parseIncarnation, parseRepositoryName } from '../../oci/names.ts';
import {
  collectionAnswer,
  collectionsAnswer,
  identityAnswer,
  MAX_LOGS,
  MAX_OBJECTS,
  MAX_WAIT_MS,
  objectsAnswer,
  parseIncarnations,
  parseWanted,
  repositoriesAnswer,
  STORE_LOGS,
  slotsAnswer,
  storeLogAnswer,
} from '../../replica/protocol.ts';
import { endpoint } from './endpoint.ts';
import { afterSlot, text } from './fields.ts';

/*
 * What replicas read. It shows logs with the names of actors and nodes, the hashes of robots' secrets, and all bytes, so it needs the
 * right `admin`.
 */

const none = z.strictObject({});
const WHO = 'For replicas. It needs the right `admin`.';
const waitText = (value: string): number | undefined => {
  const [, seconds] = /^(\d{1,2})s$/.exec(value) ?? [];
  const milliseconds = seconds === undefined ? Number.NaN : Number(seconds) * 1000;
  return milliseconds <= MAX_WAIT_MS ? milliseconds : undefined;
};

const identity = endpoint({
  kind: 'api-replication',
  path: '/api/v1/replication',
  summary: 'Which store this is, and what it is a replica of',
  description: WHO,
  params: none,
  query: none,
  answer: identityAnswer,
  errors: [],
});

const slots = endpoint({
  kind: 'api-replication-slots',
  path: '/api/v1/replication/slots',
  summary: 'Slots of the logs of repositories, as they are stored',
  description: `${WHO} All slots of an answer are durable.`,
  params: none,
  query: z.strictObject({
    of: text(parseWanted, `1 to ${MAX_LOGS} of <repository>@<last slot>, separated by commas`).describe(
      'Repositories, each with the slot after which its slots are wanted: library/app@12,library/web@0.',
    ),
  }),
  answer: slotsAnswer,
  errors: [],
});

const storeLog = endpoint({
  kind: 'api-replication-log',
  path: '/api/v1/replication/logs/{log}',
  summary: "Slots of one of the store's own logs, as they are stored",
  description: `${WHO} \`notes\` say how far the logs of repositories have grown; \`robots\` has the robots.`,
  params: z.strictObject({ log: z.enum(STORE_LOGS, { error: `one of ${STORE_LOGS.join(', ')} is expected` }) }),
  query: z.strictObject({
    after: afterSlot,
    wait: text(waitText, 'whole seconds from 0s to 30s')
      .prefault('0s')
      .describe('How long to wait for the next slot if there is none yet: 0s to 30s.'),
  }),
  answer: storeLogAnswer,
  errors: [],
});

const repositories = endpoint({
  kind: 'api-replication-repositories',
  path: '/api/v1/replication/repositories',
  summary: 'The repositories that have a log',
  description: WHO,
  params: none,
  query: z.strictObject({
    after: text(parseRepositoryName, 'a repository name').optional().describe('The last one of the page before.'),
  }),
  answer: repositoriesAnswer,
  errors: [],
});

const objects = endpoint({
  kind: 'api-replication-objects',
  path: '/api/v1/replication/objects',
  summary: 'Small objects, in Base64',
  description: WHO,
  params: none,
  query: z.strictObject({
    of: text(parseIncarnations, `1 to ${MAX_OBJECTS} ULIDs, separated by commas`).describe('Their names in the store.'),
  }),
  answer: objectsAnswer,
  errors: [],
});

const incarnation = text(parseIncarnation, 'a ULID');

const object = endpoint({
  kind: 'api-replication-object',
  path: '/api/v1/replication/objects/{incarnation}',
  summary: 'The bytes of one object',
  description: WHO,
  params: z.strictObject({ incarnation: incarnation.describe('Its name in the store.') }),
  query: none,
  answer: 'bytes',
  errors: [],
});

const collections = endpoint({
  kind: 'api-replication-collections',
  path: '/api/v1/replication/collections',
  summary: 'Rounds of garbage collection that have decided what to delete',
  description: WHO,
  params: none,
  query: z.strictObject({ after: incarnation.optional().describe('The last one of the page before.') }),
  answer: collectionsAnswer,
  errors: [],
});

const collection = endpoint({
  kind: 'api-replication-collection',
  path: '/api/v1/replication/collections/{epoch}',
  summary: 'What one round of garbage collection deletes',
  description: WHO,
  params: z.strictObject({ epoch: incarnation.describe('The round.') }),
  query: none,
  answer: collectionAnswer,
  errors: [],
});

export const REPLICATION_ENDPOINTS = [
  identity,
  slots,
  storeLog,
  repositories,
  objects,
  object,
  collections,
  collection,
] as const;
