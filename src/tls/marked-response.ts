const HEAD_BEGIN = 'HTTP/1.1 200 OK\r\n';
const HEAD_END = '\r\n\r\n';

/** A marked response was found. */
export interface Found {
  /** The bytes of earlier responses. */
  readonly before: Buffer;
  /** The bytes of later responses. */
  readonly after: Buffer;
}

/**
 * Finds one response among the bytes of the HTTP server: it has status 200, no body, and a header whose value nobody else can know. Earlier
 * responses may come before it, because clients may send several requests at once.
 */
export class MarkedResponse {
  /** The value of the header. */
  readonly mark = crypto.randomUUID();
  #held: Buffer = Buffer.alloc(0);

  /** Takes the next bytes. @returns undefined until the response has arrived whole @throws Error if it begins differently */
  take(bytes: Buffer): Found | undefined {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const held = this.#held;
    const mark = held.indexOf(this.mark);
    const end = mark < 0 ? -1 : held.indexOf(HEAD_END, mark);
    if (end < 0) return undefined;
    // No header can contain a line break, so this is the beginning of the same response.
    const begin = held.lastIndexOf(HEAD_BEGIN, mark);
    if (begin < 0) throw new Error('the HTTP server began a response in an unknown way');
    return { before: held.subarray(0, begin), after: held.subarray(end + HEAD_END.length) };
  }
}
