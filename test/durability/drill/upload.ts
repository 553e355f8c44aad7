import { createHash } from 'node:crypto';
import { Fault } from '../../support/drill/fault.ts';
import type { Random } from '../../support/drill/random.ts';
import { remember, type Session } from './world.ts';

const MAX_SHARED = 40;
/** Size of the chunks of a stream; a kill may fall between two. */
const STREAM_BYTES = 32 * 1024;
/** From this size on the server stages the bytes of a PUT instead of buffering them. */
const LAST_CHUNK_BYTES = 300 * 1024;

/** A blob that is being uploaded to one repository. */
export class Upload {
  readonly repository: string;
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly location: string;
  /** Bytes that the server has acknowledged. */
  acknowledged = 0;
  /** Bytes that it may have, including the request in flight. */
  reach = 0;
  /** `closing`, `cancelling`: such a request was sent and got no response. */
  phase: 'open' | 'closing' | 'cancelling' = 'open';
  /** A request broke off: the server may still process the received bytes, and keep all or part of them. */
  broken = false;

  constructor(repository: string, bytes: Uint8Array, location: string) {
    this.repository = repository;
    this.bytes = bytes;
    this.digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.location = location;
  }
}

/** POST: the session exists from the response on. */
export async function open({ world, life }: Session, repository: string, bytes: Uint8Array): Promise<Upload> {
  const { status, headers } = await life.send('POST', `/v2/${repository}/blobs/uploads/`);
  expectStatus('POST of an upload', status, 202);
  const upload = new Upload(repository, bytes, locationOf(headers));
  world.uploads.add(upload);
  return upload;
}

export function locationOf(headers: Headers): string {
  const location = headers.get('location');
  if (location === null) throw new Fault('a new upload has no Location');
  return location;
}

export function expectStatus(what: string, status: number, ...expected: readonly number[]): void {
  if (!expected.includes(status)) throw new Fault(`${what}: expected ${expected.join(' or ')}, got ${status}`);
}

/** Continues an upload to its end; sometimes it is left for another life of the server, or cancelled. */
export async function proceed(
  session: Session,
  upload: Upload,
  random: Random,
  how: 'at once' | 'at leisure',
): Promise<void> {
  while (upload.acknowledged < upload.bytes.length) {
    if (how === 'at leisure' && random.chance(0.08)) {
      session.world.idle.push(upload);
      return;
    }
    if (upload.broken) await askOffset(session, upload);
    else if (how === 'at leisure' && random.chance(0.03)) return await cancel(session, upload);
    const left = upload.bytes.length - upload.acknowledged;
    const size = Math.min(left, random.between(2, 400_000));
    if (random.chance(0.05) && !upload.broken) await closeWrongly(session, upload, random);
    if (left <= LAST_CHUNK_BYTES * 2 && random.chance(0.3)) {
      if (await close(session, upload, random)) return;
    } else if (size > 1000 && random.chance(0.06)) await breakOff(session, upload, size);
    else await patch(session, upload, random, size);
  }
  while (!(await close(session, upload, random))) await askOffset(session, upload);
}

/** Asks for the offset, like a client that does not know the outcome of its last request. */
async function askOffset({ life }: Session, upload: Upload): Promise<void> {
  const { status, headers } = await life.send('GET', upload.location);
  expectStatus('GET of an upload', status, 204);
  const offset = offsetOf(headers);
  if (offset < upload.acknowledged || offset > upload.reach) {
    throw new Fault(`GET gives the offset ${offset}: ${upload.acknowledged} acknowledged, ${upload.reach} sent`);
  }
  upload.acknowledged = offset;
}

/** Sends part of the announced bytes, and breaks the connection. */
async function breakOff({ life }: Session, upload: Upload, size: number): Promise<void> {
  const start = upload.acknowledged;
  upload.reach = Math.max(upload.reach, start + size);
  upload.broken = true;
  const headers = { 'content-range': `${start}-${start + size - 1}` };
  await life.breakOff('PATCH', upload.location, headers, upload.bytes.subarray(start, start + Math.ceil(size / 2)));
}

async function patch({ life }: Session, upload: Upload, random: Random, size: number): Promise<void> {
  const start = upload.acknowledged;
  const piece = upload.bytes.subarray(start, start + size);
  upload.reach = Math.max(upload.reach, start + size);
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
  if (upload.broken || random.chance(0.5)) headers['content-range'] = `${start}-${start + size - 1}`;
  const answer = await life.send('PATCH', upload.location, { headers, body: bodyOf(piece, random) });
  // The broken request still held the upload, or moved its offset after the GET.
  if (upload.broken && (answer.status === 409 || answer.status === 416)) return;
  expectStatus('PATCH', answer.status, 202);
  upload.broken = false;
  upload.acknowledged = offsetOf(answer.headers);
  if (upload.acknowledged !== start + size) {
    throw new Fault(`a PATCH of ${size} bytes at ${start} was answered with the offset ${upload.acknowledged}`);
  }
  upload.reach = upload.acknowledged;
}

/** A wrong digest: nothing may be linked, and nothing of the body may be kept. */
async function closeWrongly({ life }: Session, upload: Upload, random: Random): Promise<void> {
  const wrong = `sha256:${createHash('sha256').update(random.bytes(32)).digest('hex')}`;
  const last = upload.bytes.subarray(upload.acknowledged, upload.acknowledged + random.between(0, 1000));
  const { status } = await life.send('PUT', `${upload.location}?digest=${wrong}`, { body: last });
  expectStatus('PUT with a wrong digest', status, 400);
}

/** PUT with the remaining bytes. @returns false if the upload was at another offset than the client believed */
async function close(session: Session, upload: Upload, random: Random): Promise<boolean> {
  const { world, life } = session;
  const { acknowledged, broken } = upload;
  const rest = upload.bytes.subarray(acknowledged);
  upload.reach = upload.bytes.length;
  upload.phase = 'closing';
  const blob = world.history.blob(upload.repository, upload.digest);
  const operation = world.history.begin([blob, 'present']);
  const target = `${upload.location}?digest=${upload.digest}`;
  const headers: Record<string, string> = {};
  if (broken && rest.length > 0) headers['content-range'] = `${acknowledged}-${upload.bytes.length - 1}`;
  const { status } = await life.send('PUT', target, { headers, body: bodyOf(rest, random) });
  if (broken && (status === 409 || status === 416)) {
    operation.refuse();
    upload.phase = 'open';
    return false;
  }
  expectStatus('closing PUT', status, 201);
  operation.acknowledge();
  endOf(session, upload);
  const { repository, digest, bytes } = upload;
  remember(world.shared, { repository, digest, bytes }, MAX_SHARED);
  return true;
}

async function cancel(session: Session, upload: Upload): Promise<void> {
  upload.phase = 'cancelling';
  const { status } = await session.life.send('DELETE', upload.location);
  expectStatus('DELETE of an upload', status, 204);
  endOf(session, upload);
}

function endOf({ world }: Session, upload: Upload): void {
  world.uploads.delete(upload);
  world.ended.push(upload.location);
}

/** The bytes at once with their length, or as a slow stream of unknown length. */
function bodyOf(bytes: Uint8Array, random: Random): RequestInit['body'] {
  if (random.chance(0.5)) return new Uint8Array(bytes);
  const slow = random.chance(0.5);
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      if (sent >= bytes.length) {
        controller.close();
        return;
      }
      if (slow) await Bun.sleep(1);
      controller.enqueue(new Uint8Array(bytes.subarray(sent, sent + STREAM_BYTES)));
      sent += STREAM_BYTES;
    },
  });
}

/** The offset in `Range: 0-<last byte>`. The drill never sends a single byte, so 0-0 always means none. */
export function offsetOf(headers: Headers): number {
  const last = /^0-(\d+)$/.exec(headers.get('range') ?? '')?.[1];
  if (last === undefined) throw new Fault(`an upload has no usable Range: ${headers.get('range')}`);
  return last === '0' ? 0 : Number(last) + 1;
}
