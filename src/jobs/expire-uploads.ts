import type { SessionStore } from '../registry/sessions.ts';
import type { Job } from './runner.ts';

/** "Sessions end at UPLOAD_EXPIRY of age, in use or not": their bytes go with them. @param expiry milliseconds */
export function expireUploads(sessions: SessionStore, now: () => number, expiry: number): Job {
  return { name: 'expire-uploads', run: (signal) => sessions.expire(now() - expiry, signal) };
}
