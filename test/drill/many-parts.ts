import { createHash } from 'node:crypto';
import { startCluster } from '../support/cluster.ts';
import { expectStatus, randomBlob } from '../support/oci.ts';

/** The smallest part that S3 accepts. */
const PART_BYTES = 5 * 1024 ** 2;
/** More than one page of an S3 listing. */
const PARTS = 1_010;
const WITHIN_MS = 600_000;

/** Pushes a blob of more than a thousand parts, in two requests to two nodes. @returns the digests of the sent and the served bytes */
export async function pushManyParts(): Promise<{ readonly sent: string; readonly served: string }> {
  const env = { S3_PART_SIZE: String(PART_BYTES) };
  const { nodes } = await startCluster({ nodes: 2, workers: 0, balancer: false, env });
  const [one, two] = nodes;
  if (one === undefined || two === undefined) throw new Error('there must be two nodes');
  const patience = { signal: AbortSignal.timeout(WITHIN_MS) };
  const hash = createHash('sha256');
  const repository = '/v2/drill/parts/blobs/';
  let { headers } = await expectStatus(202, `${one.url}${repository}uploads/`, { method: 'POST' });
  for (const [{ url }, parts] of [[one, PARTS - 10] as const, [two, 10] as const]) {
    const body = numbered(parts, (chunk) => hash.update(chunk));
    const location = headers.get('location') ?? '';
    ({ headers } = await expectStatus(202, url + location, { method: 'PATCH', body, ...patience }));
  }
  const sent = `sha256:${hash.digest('hex')}`;
  await expectStatus(201, `${one.url}${headers.get('location')}?digest=${sent}`, { method: 'PUT', ...patience });
  const served = createHash('sha256');
  const pulled = await fetch(`${two.url}${repository}${sent}`, patience);
  for await (const chunk of pulled.body ?? []) served.update(chunk);
  return { sent, served: `sha256:${served.digest('hex')}` };
}

/** The bytes of `parts` parts, all different. */
function numbered(parts: number, each: (chunk: Uint8Array) => void): ReadableStream<Uint8Array> {
  const { bytes } = randomBlob(PART_BYTES);
  let part = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = bytes.slice();
      new DataView(chunk.buffer).setUint32(0, part);
      each(chunk);
      controller.enqueue(chunk);
      if (++part === parts) controller.close();
    },
  });
}
