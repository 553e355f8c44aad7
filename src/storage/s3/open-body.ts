import type { OpenBody } from './object-stream.ts';

interface NodeStream extends AsyncIterable<Uint8Array> {
  destroy(): void;
}

/**
 * The body of a response, whichever client received it.
 * @param ended called when the connection is no longer needed; perhaps more than once
 */
export function openBody(body: unknown, ended: () => void = () => {}): OpenBody {
  if (isOpenBody(body)) return body;
  if (body instanceof ReadableStream) return ofFetch(body, ended);
  if (!isNodeStream(body)) throw new Error('the object store answered without a body');
  return {
    chunks: body[Symbol.asyncIterator](),
    destroy: () => {
      ended();
      body.destroy();
    },
  };
}

function ofFetch(body: ReadableStream<Uint8Array>, ended: () => void): OpenBody {
  const reader = body.getReader();
  return {
    chunks: {
      async next(): Promise<IteratorResult<Uint8Array>> {
        const { done, value } = await reader.read();
        if (!done) return { done, value };
        ended();
        return { done, value: undefined };
      },
    },
    destroy: () => {
      ended();
      // It fails only if the body has ended or broken, and then nothing holds the connection.
      reader.cancel().catch(() => undefined);
    },
  };
}

function isNodeStream(body: unknown): body is NodeStream {
  return typeof body === 'object' && body !== null && 'destroy' in body && Symbol.asyncIterator in body;
}

function isOpenBody(body: unknown): body is OpenBody {
  return typeof body === 'object' && body !== null && 'chunks' in body;
}
