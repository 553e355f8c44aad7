/** What is known of a response to a POST, from the bytes of it that have arrived. */
export type ResponseSoFar =
  /** The final status is not among them. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' }
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** Bytes of the whole response; undefined: not known yet, or only when the connection ends. */
      readonly length: number | undefined;
      /** Whether the connection may be used again after the response. */
      readonly keepsAlive: boolean;
    };

const STATUS_LINE = /^HTTP\/1\.(?<minor>[01]) (?<status>[1-9]\d\d)(?: |$)/;
const START = 'HTTP/1.';
const SWITCHING_PROTOCOLS = 101;

/**
 * Reads a response of HTTP/1.1 as far as a sender of webhooks needs it: the status, and where the response ends.
 * @param text all bytes that have arrived, one character each (latin1)
 */
export function readResponse(text: string): ResponseSoFar {
  // "A client MUST be able to parse one or more 1xx responses received prior to a final response" (RFC 9110, 15.2).
  for (let start = 0; ; ) {
    const begins = text.slice(start, start + START.length);
    if (begins !== START.slice(0, begins.length)) return { kind: 'malformed' };
    const end = text.indexOf('\r\n\r\n', start);
    if (end < 0) return { kind: 'incomplete' };
    const [first = '', ...lines] = text.slice(start, end).split('\r\n');
    const { minor, status } = STATUS_LINE.exec(first)?.groups ?? {};
    // No upgrade was requested.
    if (status === undefined || Number(status) === SWITCHING_PROTOCOLS) return { kind: 'malformed' };
    start = end + 4;
    if (Number(status) < 200) continue;
    const fields = fieldsOf(lines);
    const { length, isReliable } = endOf(text, start, Number(status), fields);
    const keepsAlive = isReliable && minor === '1' && !/\bclose\b/i.test(fields.get('connection') ?? '');
    return { kind: 'answered', status: Number(status), length, keepsAlive };
  }
}

/** By name in lower case. The values of a name that occurs several times are joined, as RFC 9110, 5.3 has it. */
function fieldsOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

interface End {
  readonly length: number | undefined;
  /** Whether the sender and the receiver certainly agree on it. */
  readonly isReliable: boolean;
}

/** Where a response ends (RFC 9112, 6.3). @param start of its body */
function endOf(text: string, start: number, status: number, fields: ReadonlyMap<string, string>): End {
  if (status === 204 || status === 304) return { length: start, isReliable: true };
  const coding = fields.get('transfer-encoding');
  const announced = fields.get('content-length');
  if (coding !== undefined) {
    // "If a message is received with both a Transfer-Encoding and a Content-Length header field […] the server MUST close the connection".
    const isReliable = coding.toLowerCase() === 'chunked' && announced === undefined;
    return isReliable ? endOfChunks(text, start) : UNTIL_CLOSED;
  }
  if (announced === undefined || !/^\d{1,15}$/.test(announced)) return UNTIL_CLOSED;
  return { length: start + Number(announced), isReliable: true };
}

const UNTIL_CLOSED: End = { length: undefined, isReliable: false };

function endOfChunks(text: string, start: number): End {
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return { length: undefined, isReliable: true };
    const { size } = /^(?<size>[0-9a-f]{1,8})(?:[ \t]*;|$)/i.exec(text.slice(at, lineEnd))?.groups ?? {};
    if (size === undefined) return UNTIL_CLOSED;
    if (Number.parseInt(size, 16) === 0) {
      // The trailers end with an empty line. Without trailers, that follows at once.
      const end = text.indexOf('\r\n\r\n', lineEnd);
      return { length: end < 0 ? undefined : end + 4, isReliable: true };
    }
    at = lineEnd + 2 + Number.parseInt(size, 16) + 2;
    if (at > text.length) return { length: undefined, isReliable: true };
  }
}
