import { RegistryError } from '../../oci/errors.ts';
import { parseIntroduction, REPLICA_HEADER } from '../../replica/protocol.ts';
import type { Handler } from '../context.ts';
import { respond } from '../response.ts';
import { send } from './answer.ts';

export const getReplication: Handler<'api-replication'> = async (_, { stats }, { replication }) =>
  send(stats, JSON.stringify(await replication.identity()));

export const getReplicationSlots: Handler<'api-replication-slots'> = async ({ of }, context, { replication }) =>
  send(context.stats, JSON.stringify(await replication.slots(of, context.signal)));

export const getReplicationLog: Handler<'api-replication-log'> = async (
  { log, after, wait },
  context,
  { replication, replicaWatch, ending },
) => {
  const introduction = parseIntroduction(context.request.headers.get(REPLICA_HEADER) ?? '');
  if (introduction !== undefined) replicaWatch.saw(introduction, context.client);
  // A wait would last until the deadline of a drain.
  const signal = AbortSignal.any([context.signal, ending]);
  return send(context.stats, JSON.stringify(await replication.storeLog(log, after, wait, signal)));
};

export const getReplicationRepositories: Handler<'api-replication-repositories'> = async (
  { after },
  context,
  { replication },
) => send(context.stats, JSON.stringify(await replication.repositories(after, context.signal)));

export const getReplicationObjects: Handler<'api-replication-objects'> = async ({ of }, context, { replication }) =>
  send(context.stats, JSON.stringify(await replication.objects(of, context.signal)));

export const getReplicationObject: Handler<'api-replication-object'> = async (
  { incarnation },
  context,
  { replication },
) => {
  const object = await replication.open(incarnation, context.signal);
  if (object === undefined) throw new RegistryError('object-unknown', `the store has no object ${incarnation}`);
  const { size, body } = object;
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(size),
    'Cache-Control': 'no-store',
  };
  context.stats.sent = size;
  if (size === 0) return respond(new Uint8Array(), { headers });
  if (body.kind === 'file')
    return context.sendFile({ status: 200, headers, path: body.path, size, start: 0, end: size });
  context.allowSlowReader();
  // The chunks may be lent, because Bun sends or copies each before it reads the next one.
  return respond(body.open({ start: 0, end: size }, 'lent'), { headers });
};

export const getReplicationCollections: Handler<'api-replication-collections'> = async (
  { after },
  context,
  { replication },
) => send(context.stats, JSON.stringify(await replication.collections(after, context.signal)));

export const getReplicationCollection: Handler<'api-replication-collection'> = async (
  { epoch },
  context,
  { replication },
) => {
  const found = await replication.collection(epoch, context.signal);
  if (found === undefined) throw new RegistryError('object-unknown', `no round of collection ${epoch} has decided`);
  return send(context.stats, JSON.stringify(found));
};
