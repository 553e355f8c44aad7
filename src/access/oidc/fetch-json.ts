import { IssuerProblem } from './issuer-problem.ts';

/** Maximum size of what an issuer answers, such as a key set or a discovery document. */
export const MAX_JSON_BYTES = 1024 * 1024;

/** What an issuer answered. */
interface IssuerAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Fetches a JSON document.
 * @param signal aborts the request and the reading of its body
 * @throws IssuerProblem
 */
export async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const { status, bytes } = await askIssuer(url, { headers: { accept: 'application/json' } }, signal);
  if (status !== 200) throw new IssuerProblem(`${url} answers with status ${status}`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new IssuerProblem(`${url} is not JSON`, { cause: error });
  }
}

interface IssuerRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams;
}

/**
 * Sends a request to an issuer. Redirects are not followed, because they could lead to an address that has not been checked.
 * @param signal aborts the request and the reading of the response's body
 * @throws IssuerProblem if there is no whole response of at most MAX_JSON_BYTES
 */
export async function askIssuer(url: string, request: IssuerRequest, signal: AbortSignal): Promise<IssuerAnswer> {
  try {
    // A server may compress the response although it was asked not to. Its real size would be known only after decompression.
    const headers = { ...request.headers, 'accept-encoding': 'identity' };
    const response = await fetch(url, { ...request, headers, redirect: 'manual', decompress: false, signal });
    const contentType = response.headers.get('content-type') ?? '';
    return { status: response.status, contentType, bytes: await readBody(url, response.body) };
  } catch (error) {
    if (error instanceof IssuerProblem) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new IssuerProblem(`${url} cannot be read: ${reason}`, { cause: error });
  }
}

async function readBody(url: string, body: ReadableStream<Uint8Array> | null): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the stream.
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > MAX_JSON_BYTES) throw new IssuerProblem(`${url} has more than ${MAX_JSON_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
