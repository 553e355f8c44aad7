/*
 * Checks passwords. Not on Bun's own pool (Bun.password.verify): there two checks at once would keep every read of a file waiting.
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
