import { algorithmOf } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import { createdAtOf } from '../registry/session-ids.ts';
import { decodeRecord, sessionRecord } from '../registry/session-record.ts';
import { placeOf, type Session, type SessionOwner } from '../registry/sessions.ts';
import type { StagedWrites } from '../storage/driver.ts';

/** A session in Redis that no node can have stored, so that its keys must not be used. */
export class MalformedSession extends Error {
  override readonly name = 'MalformedSession';

  constructor(id: UploadId, problem: string, cause?: unknown) {
    super(`the upload ${id} in Redis is malformed: ${problem}`, cause === undefined ? undefined : { cause });
  }
}

/** Parses a session's record. @throws MalformedSession */
export function parseSession(id: UploadId, text: string): Session {
  const session = decodeRecord(sessionRecord, text);
  const problem = session === undefined ? 'its record cannot be read' : problemOf(id, session);
  if (session === undefined || problem !== undefined) throw new MalformedSession(id, problem ?? '');
  return session;
}

function problemOf(id: UploadId, { createdAt, offset, algorithm, digest, inc, state, ...session }: Session) {
  if (session.id !== id || createdAt !== createdAtOf(id)) return 'its record is of another upload';
  if (inc === undefined && (offset > 0 || state !== undefined)) return 'its bytes are nowhere';
  if (digest !== undefined && algorithmOf(digest) !== algorithm) return 'its digest is of another algorithm';
  return undefined;
}

/** @throws MalformedSession if it is another owner's, or the driver cannot have returned its state */
export function requireOwnBytes(
  session: Session,
  { repo, actor }: SessionOwner,
  driver: Pick<StagedWrites, 'isStagedState'>,
): Session {
  if (session.repo !== repo || session.actor !== actor) {
    throw new MalformedSession(session.id, 'its record is of another owner');
  }
  if (!hasOwnBytes(session, driver)) throw new MalformedSession(session.id, 'its bytes are not its own');
  return session;
}

export function hasOwnBytes(session: Session, driver: Pick<StagedWrites, 'isStagedState'>): boolean {
  const place = placeOf(session);
  return place === undefined || (driver.isStagedState?.(place, session.offset) ?? true);
}
