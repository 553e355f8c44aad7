import { read } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

/** A response whose body is a range of a file. */
export interface FileToSend {
  readonly head: Uint8Array;
  /** A descriptor. It stays open until `done`. */
  readonly file: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Called once. @param failure why the client has not got all bytes, if it is not the client's doing */
  readonly done: (failure?: string) => void;
}

/** Bytes per read and write. Each slow client keeps this much in memory. */
const PIECE_BYTES = 512 * 1024;
/** How long a client may take to accept a piece: as long as without TLS (docs/decisions/0075). It is enough for 5 KB/s. */
const STALLED_MS = 255_000;

const readAt = promisify(read);

/** Sends a response. If that fails, the client is disconnected, because it must see that bytes are missing. Never rejects. */
export async function sendFile(client: TLSSocket, { head, file, start, end, done }: FileToSend): Promise<void> {
  let at = start;
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - start));
  let failure: string | undefined;
  try {
    client.write(head);
    while (at < end && !client.destroyed) {
      const { bytesRead } = await readAt(file, buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) throw new Error(`a stored file ends at ${at}, before ${end}`);
      await write(client, buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } catch (error) {
    failure = String(error);
    client.destroy();
  }
  done(failure);
}

/** Resolves when the socket has accepted the bytes, or is closed. A client that accepts nothing for a while is disconnected. */
function write(client: TLSSocket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      client.off('close', settle);
      resolve();
    };
    const timer = setTimeout(() => client.destroy(), STALLED_MS);
    client.once('close', settle);
    if (client.destroyed) settle();
    else client.write(bytes, settle);
  });
}
