/*
 * Checks passwords. Bun's own thread pool (Bun.password.verify) is not used, because two concurrent checks there would block all
 * file reads.
 */
import type { CheckReply, CheckRequest } from './check-protocol.ts';

declare const self: {
  onmessage: ((event: { data: CheckRequest }) => void) | null;
  postMessage(reply: CheckReply): void;
};

self.onmessage = ({ data: { password, hash } }) => {
  try {
    self.postMessage({ kind: 'checked', isRight: Bun.password.verifySync(password, hash) });
  } catch (error) {
    self.postMessage({ kind: 'failed', message: String(error) });
  }
};
