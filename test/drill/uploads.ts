import { digestOf } from '../support/oci.ts';
import type { Client, Reply } from './client.ts';

const PAUSE_MS = 150;
/** A dead node blocks its uploads until its lease expires. After this many refusals an upload is abandoned. */
const MAX_REFUSALS = 6;
const STREAM_BYTES = 32 * 1024;

interface Progress {
  readonly location: string;
  readonly digest: string;
  /** Bytes that a node has acknowledged. */
  acknowledged: number;
  /** Bytes that it may have, from the request whose outcome is unknown. */
  reach: number;
  /** The offset of the upload is unknown. */
  isLost: boolean;
  refusals: number;
}

/** Uploads in chunks of odd sizes, each through the balancer to another node. @returns whether it was acknowledged */
export async function upload(client: Client, repository: string, bytes: Uint8Array): Promise<boolean> {
  const begun = await client.send('POST', `/v2/${repository}/blobs/uploads/`);
  const location = begun?.headers.get('location');
  if (begun?.status !== 202 || location === null || location === undefined) return false;
  const progress = { location, digest: digestOf(bytes), acknowledged: 0, reach: 0, isLost: false, refusals: 0 };
  const inOnePut = bytes.length < 20_000 && client.random.chance(0.6);
  while (!inOnePut && progress.acknowledged < bytes.length) {
    if (progress.isLost) {
      if (!(await find(client, progress))) return false;
      // It may already have every byte; then there is no chunk left to send.
      continue;
    }
    const left = bytes.length - progress.acknowledged;
    if (left < 300_000 && client.random.chance(0.3)) break;
    if (!(await patch(client, progress, bytes))) return false;
  }
  return await close(client, repository, progress, bytes);
}

async function patch(client: Client, progress: Progress, bytes: Uint8Array): Promise<boolean> {
  const { random } = client;
  const start = progress.acknowledged;
  const largest = bytes.length > 2_000_000 ? 3_000_001 : 200_003;
  const end = Math.min(bytes.length, start + random.between(2, largest));
  progress.reach = Math.max(progress.reach, end);
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
  if (progress.reach > end || random.chance(0.5)) headers['content-range'] = `${start}-${end - 1}`;
  const reply = await client.send('PATCH', progress.location, {
    headers,
    body: bodyOf(client, bytes.subarray(start, end)),
  });
  if (reply === undefined) {
    progress.isLost = true;
    return true;
  }
  if (reply.status === 202) {
    const offset = offsetOf(reply);
    if (offset !== end) client.world.figures.violate('wrong', `PATCH ${start}-${end - 1} was answered with ${offset}`);
    progress.acknowledged = end;
    progress.reach = end;
    return true;
  }
  progress.isLost = true;
  return await refused(client, progress, reply, 'PATCH');
}

/** Asks for the offset, like a client that does not know the outcome of its last request. */
async function find(client: Client, progress: Progress): Promise<boolean> {
  await Bun.sleep(PAUSE_MS);
  if (++progress.refusals > MAX_REFUSALS) return false;
  const reply = await client.send('GET', progress.location);
  if (reply === undefined) return true;
  if (reply.status !== 204) return await refused(client, progress, reply, 'GET');
  const offset = offsetOf(reply);
  const isPossible = offset >= progress.acknowledged && offset <= progress.reach;
  // A Redis that went back in time also set the upload back: the client continues at its current offset.
  if (!isPossible && client.world.drill.sessions === 'kept') {
    const { acknowledged, reach, location } = progress;
    client.world.figures.violate('lost', `${location} is at ${offset}: ${acknowledged} acknowledged, ${reach} sent`);
  }
  progress.acknowledged = offset;
  progress.isLost = false;
  return true;
}

/** @returns whether to continue the upload */
async function refused(client: Client, progress: Progress, reply: Reply, what: string): Promise<boolean> {
  const { world } = client;
  if (reply.status === 404) {
    if (world.drill.sessions === 'kept')
      world.figures.violate('lost', `${what} ${progress.location}: the upload is gone`);
    return false;
  }
  if (reply.status === 409 || reply.status === 416) return ++progress.refusals <= MAX_REFUSALS;
  const text = new TextDecoder().decode(reply.bytes);
  // An older session lacks the bytes sent since: the digest differs, and nothing is linked.
  if (text.includes('DIGEST_INVALID') && world.drill.sessions === 'lost or older') return false;
  world.figures.violate('defects', `${what} ${progress.location}: ${reply.status} ${text}`);
  return false;
}

async function close(client: Client, repository: string, progress: Progress, bytes: Uint8Array): Promise<boolean> {
  const { world } = client;
  const { acknowledged, location, digest } = progress;
  const operation = world.history.begin([world.history.blob(repository, digest), 'present']);
  const rest = bytes.subarray(acknowledged);
  const headers: Record<string, string> =
    rest.length > 0 && acknowledged > 0 ? { 'content-range': `${acknowledged}-${bytes.length - 1}` } : {};
  const reply = await client.send('PUT', `${location}?digest=${digest}`, { headers, body: bodyOf(client, rest) });
  if (reply?.status === 201) {
    world.repositories.add(repository);
    operation.acknowledge();
    return true;
  }
  if (reply === undefined) return false;
  operation.refuse();
  await refused(client, progress, reply, `PUT ?digest=${digest}`);
  return false;
}

/** The bytes at once, with their length, or as a stream of unknown length. */
function bodyOf({ random }: Client, bytes: Uint8Array): NonNullable<RequestInit['body']> {
  if (random.chance(0.6)) return new Uint8Array(bytes);
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(new Uint8Array(bytes.subarray(sent, sent + STREAM_BYTES)));
      sent += STREAM_BYTES;
    },
  });
}

/** The offset in `Range: 0-<last byte>`. A single byte is never sent, so 0-0 always means none. */
function offsetOf({ headers }: Reply): number {
  const last = /^0-(\d+)$/.exec(headers.get('range') ?? '')?.[1];
  return last === undefined || last === '0' ? 0 : Number(last) + 1;
}
