// Reads a multipart/byteranges body as a strict client would.

export interface ByteRangePart {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly size: number;
  readonly bytes: Uint8Array;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** @throws Error if the body violates RFC 9110 or RFC 2046 */
export function parseByteRanges(contentType: string | null, body: Uint8Array): ByteRangePart[] {
  const [, boundary] = /^multipart\/byteranges; boundary=([A-Za-z0-9:-]{1,70})$/.exec(contentType ?? '') ?? [];
  if (boundary === undefined) throw new Error(`not multipart/byteranges: ${contentType}`);
  const bytes = Buffer.from(body);
  const parts: ByteRangePart[] = [];
  let at = 0;
  const expectText = (text: string): void => {
    const found = bytes.toString('latin1', at, at + text.length);
    if (found !== text) throw new Error(`at byte ${at}: ${JSON.stringify(found)}, not ${JSON.stringify(text)}`);
    at += text.length;
  };
  expectText(`--${boundary}`);
  while (bytes.toString('latin1', at, at + 2) === '\r\n') {
    at += 2;
    const headEnd = bytes.indexOf(HEAD_END, at);
    const head = bytes.toString('latin1', at, headEnd);
    const range = /^Content-Range: bytes (\d+)-(\d+)\/(\d+)$/im.exec(head);
    if (range === null) throw new Error(`a part without Content-Range: ${head}`);
    const [start, end, size] = [Number(range[1]), Number(range[2]) + 1, Number(range[3])];
    at = headEnd + HEAD_END.length;
    parts.push({ start, end, size, bytes: bytes.subarray(at, at + end - start) });
    at += end - start;
    expectText(`\r\n--${boundary}`);
  }
  expectText('--\r\n');
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes after the last boundary`);
  return parts;
}
