import { parseUploadId } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { sessionKey, sessionLogPrefix, UPLOADS } from '../storage/paths.ts';
import { createdAtOf } from './session-ids.ts';
import type { ExpiredUpload } from './sessions.ts';

/** The objects of one upload under uploads/. */
export interface UploadObjects extends ExpiredUpload {
  /** Whether its session record exists. Bytes without one belong to a request that was killed. */
  readonly hasRecord: boolean;
}

/**
 * Uploads with objects under uploads/ that began before the given time (milliseconds), ordered by id. The caller may remove them
 * while it iterates.
 */
export async function* uploadsBegunBefore(
  before: number,
  driver: Pick<StoreReader, 'list'>,
): AsyncGenerator<UploadObjects> {
  let current: UploadObjects | undefined;
  for await (const { key, size } of driver.list(UPLOADS)) {
    const id = parseUploadId(key.slice(UPLOADS.length).split('/', 1)[0] ?? '');
    if (id === undefined || createdAtOf(id) >= before) continue;
    if (current !== undefined && current.id !== id) yield current;
    const isRecord = key === sessionKey(id) || key.startsWith(sessionLogPrefix(id));
    const seen = current?.id === id ? current : { id, size: 0, hasRecord: false };
    current = { id, size: seen.size + (isRecord ? 0 : size), hasRecord: seen.hasRecord || isRecord };
  }
  if (current !== undefined) yield current;
}
