// Uploads a blob slowly, so that tests can act meanwhile: `slow-upload.ts <url of the registry> <repository>`.
// Prints "sending" when the first bytes are sent, then the status of the response.
import { expectStatus, randomBlob } from '../support/oci.ts';

const PIECES = 20;
const PAUSE_MS = 100;

const [url, repository] = process.argv.slice(2);
if (url === undefined || repository === undefined) throw new Error('usage: slow-upload.ts <url> <repository>');

const blob = randomBlob(PIECES * 65_536);
const session = await expectStatus(202, `${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
const target = new URL(session.headers.get('location') ?? '', url);
target.searchParams.set('digest', blob.descriptor.digest);

const body = async function* (): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < PIECES; piece++) {
    yield blob.bytes.subarray(piece * 65_536, (piece + 1) * 65_536);
    if (piece === 0) console.log('sending');
    await Bun.sleep(PAUSE_MS);
  }
};
const response = await fetch(target, { method: 'PUT', body, signal: AbortSignal.timeout(60_000) });
console.log(response.status, blob.descriptor.digest);
