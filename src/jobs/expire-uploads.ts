import type { SessionStore } from '../registry/sessions.ts';
import type { Job } from './runner.ts';

/** "Sessions end at UPLOAD_EXPIRY of age, in use or not": their bytes go with them. @param expiry milliseconds */
export function expireUploads(sessions: SessionStore, now: () => number, expiry: number): Job {
  return {
    name: 'expire-uploads',
    run: async (signal) => {
      for await (const session of sessions.all()) {
        if (signal.aborted) return;
        if (now() - session.createdAt <= expiry) continue;
        const lease = await sessions.lease(session.id);
        // One that is being written to goes the next time.
        if (lease === 'busy' || lease === 'unknown') continue;
        try {
          await lease.end();
        } finally {
          lease.release();
        }
      }
    },
  };
}
