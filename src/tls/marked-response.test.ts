import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { MarkedResponse } from './marked-response.ts';

const head = (mark: string) => `HTTP/1.1 200 OK\r\nX: 1\r\nMarina-Mark: ${mark}\r\nContent-Length: 0\r\n\r\n`;

/** Bytes of other responses, which may look like the beginning or the end of one. */
const others = fc
  .array(fc.oneof(fc.string(), fc.constantFrom('HTTP/1.1 200 OK\r\n', '\r\n\r\n', 'Marina-Mark: ', '\r\n')))
  .map((parts) => parts.join(''));

test('a marked response is found in whatever pieces it arrives', () => {
  fc.assert(
    fc.property(others, others, fc.array(fc.nat(400), { maxLength: 8 }), (before, after, cuts) => {
      const marked = new MarkedResponse();
      const sent = Buffer.from(before + head(marked.mark) + after);
      const ends = [...new Set([...cuts.filter((at) => at < sent.length), sent.length])].toSorted((a, b) => a - b);
      let from = 0;
      for (const end of ends) {
        const found = marked.take(sent.subarray(from, end));
        from = end;
        if (found === undefined) continue;
        expect(String(found.before)).toBe(before);
        expect(String(found.after)).toBe(after.slice(0, String(found.after).length));
        return;
      }
      throw new Error('the response was not found');
    }),
  );
});

test('a response that begins in an unknown way is an error', () => {
  const marked = new MarkedResponse();
  expect(() => marked.take(Buffer.from(`HTTP/2 200\r\nMarina-Mark: ${marked.mark}\r\n\r\n`))).toThrow('unknown way');
});
