import { read } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import type { Outcome, SendFile, SendReply } from '../sending/protocol.ts';

/** A range of a file. `idle`: milliseconds within which the client must accept a piece. */
export type ExpectedFile = Pick<SendFile, 'id' | 'file' | 'start' | 'end'> & { readonly idle: number };

/** Bytes per read and write. Each slow client keeps this much in memory. */
const PIECE_BYTES = 256 * 1024;

const readAt = promisify(read);

/** Writes a range of a file to a client. Never rejects. */
export async function sendFile(client: TLSSocket, { id, file, start, end, idle }: ExpectedFile): Promise<SendReply> {
  let at = start;
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - start));
  const reply = (outcome: Outcome): SendReply => ({ id, sent: at - start, outcome });
  try {
    while (at < end) {
      const { bytesRead } = await readAt(file, buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) throw new Error(`a stored file ends at ${at}, before ${end}`);
      const failure = await write(client, buffer.subarray(0, bytesRead), idle);
      if (failure !== undefined) return reply(failure);
      at += bytesRead;
    }
    return reply({ kind: 'whole' });
  } catch (error) {
    // The client must see that bytes are missing.
    client.destroy();
    return reply({ kind: 'failed', message: String(error) });
  }
}

/** Resolves when the socket has accepted the bytes, or with the reason why it will not. */
function write(client: TLSSocket, bytes: Uint8Array, idle: number): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome | undefined): void => {
      clearTimeout(timer);
      client.off('close', gone);
      resolve(outcome);
    };
    const gone = (): void => settle({ kind: 'client-gone' });
    const timer = setTimeout(() => {
      settle({ kind: 'stalled' });
      client.destroy();
    }, idle);
    if (client.destroyed) return gone();
    client.once('close', gone);
    client.write(bytes, (error) => {
      if (error === null || error === undefined) settle(undefined);
      else gone();
    });
  });
}
