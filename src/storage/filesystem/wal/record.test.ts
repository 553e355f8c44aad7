import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { decodeRecords, encodeRecord, type WalRecord } from './record.ts';

const KEY = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const RECORD: fc.Arbitrary<WalRecord> = fc.oneof(
  fc.record({ kind: fc.constant('object' as const), key: KEY, bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant('removed' as const), key: KEY }),
);

function plain(record: WalRecord): unknown {
  return record.kind === 'object' ? { ...record, bytes: [...record.bytes] } : record;
}

test('records are read as they were written, and behind a torn one nothing is', () => {
  fc.assert(
    fc.property(fc.array(RECORD, { maxLength: 8 }), fc.nat(), fc.nat({ max: 255 }), (records, where, change) => {
      const encoded = records.map(encodeRecord);
      const whole = Buffer.concat(encoded);
      expect([...decodeRecords(whole)].map(plain)).toEqual(records.map(plain));

      const cut = whole.length === 0 ? 0 : where % whole.length;
      let end = 0;
      const before = encoded.filter((bytes) => {
        end += bytes.length;
        return end <= cut;
      }).length;
      expect([...decodeRecords(whole.subarray(0, cut))].map(plain)).toEqual(records.slice(0, before).map(plain));

      if (whole.length === 0 || change === 0) return;
      whole[cut] = (whole[cut] ?? 0) ^ change;
      expect([...decodeRecords(whole)].map(plain)).toEqual(records.slice(0, before).map(plain));
    }),
    { numRuns: 500 },
  );
});
