import { KeyProblem } from './key-problem.ts';

/** Maximum size of a key set or a discovery document. */
export const MAX_JSON_BYTES = 1024 * 1024;

/**
 * Fetches a JSON document. Redirects are not followed, because they could lead to an address that has not been checked.
 * @param signal aborts the request and the reading of its body
 * @throws KeyProblem
 */
export async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const bytes = await fetchBytes(url, signal);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new KeyProblem(`${url} is not JSON`, { cause: error });
  }
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    // A server may compress the response although it was asked not to. Its real size would be known only after decompression.
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
    const response = await fetch(url, { redirect: 'manual', decompress: false, signal, headers });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new KeyProblem(`${url} answers with status ${response.status}`);
    }
    return await readBody(url, response.body);
  } catch (error) {
    if (error instanceof KeyProblem) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new KeyProblem(`${url} cannot be read: ${reason}`, { cause: error });
  }
}

async function readBody(url: string, body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the stream.
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > MAX_JSON_BYTES) throw new KeyProblem(`${url} has more than ${MAX_JSON_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
