import { randomBlob } from '../support/oci.ts';
import type { Figures } from './figures.ts';
import type { Stack } from './stack.ts';

const RECOVERS_WITHIN_MS = 20_000;
/** Requests whose clients timed out may still arrive; after this time the state is final. */
const QUIET_MS = 1_000;

/** Waits until every node accepts writes again, and no request is in flight. */
export async function recover(stack: Stack, figures: Figures): Promise<void> {
  const begin = performance.now();
  for (const [index, node] of stack.nodes.entries()) {
    while (!(await acceptsWrites(node.url))) {
      if (performance.now() - begin > RECOVERS_WITHIN_MS) {
        const wrote = node.logs().trimEnd().split('\n').slice(-5).join('\n');
        figures.violate(
          'hung',
          `node ${index + 1} accepts no writes ${RECOVERS_WITHIN_MS} ms after all faults have ended:\n${wrote}`,
        );
        break;
      }
      await Bun.sleep(50);
    }
  }
  figures.recovered = performance.now() - begin;
  await Bun.sleep(QUIET_MS);
}

async function acceptsWrites(url: string): Promise<boolean> {
  const { bytes, descriptor } = randomBlob(20);
  try {
    const answer = await fetch(`${url}/v2/drill/well/blobs/uploads/?digest=${descriptor.digest}`, {
      ...{ method: 'POST', body: new Uint8Array(bytes) },
      signal: AbortSignal.timeout(RECOVERS_WITHIN_MS),
    });
    await answer.arrayBuffer();
    return answer.status === 201;
  } catch {
    // It is still starting, or does not answer yet.
    return false;
  }
}
