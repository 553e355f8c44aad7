import type { Config } from '../config.ts';
import { uploadsBegunBefore } from '../registry/expired-uploads.ts';
import { expiredLogUploads } from '../registry/log-sessions.ts';
import type { ExpiredUpload } from '../registry/sessions.ts';
import { expiredSharedUploads } from '../sessions/redis-sessions.ts';
import type { StoreReader } from '../storage/driver.ts';
import { readIdentity } from '../storage/prepare.ts';
import { openRedis } from './redis.ts';
import { silent } from './writable.ts';

/** Finds uploads that are older than UPLOAD_EXPIRY, in either shape. Writes nothing. */
export async function* findExpiredUploads(config: Config, reader: StoreReader): AsyncGenerator<ExpiredUpload> {
  const { redisUrl, storageDriver, uploadExpiry } = config;
  const before = Date.now() - uploadExpiry;
  if (redisUrl !== undefined) {
    const identity = await readIdentity(reader);
    if (identity === undefined) return;
    const { logs, telemetry } = silent();
    const redis = await openRedis(config, redisUrl, logs, telemetry);
    try {
      yield* expiredSharedUploads(before, { redis, store: identity.instance, driver: reader, now: Date.now });
    } finally {
      await redis.close();
    }
  } else if (storageDriver === 's3') {
    yield* expiredLogUploads(before, Date.now, reader);
  } else {
    yield* uploadsBegunBefore(before, reader);
  }
}
