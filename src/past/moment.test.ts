import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { diffSides, moments, momentText, sideText } from '../../test/support/routes.ts';
import { parseDiffSide } from './diff-side.ts';
import { formatCompactTime, formatMoment, formatTime, parseCompactTime, parseMoment, secondOf } from './moment.ts';

const at = (text: string) => ({ kind: 'time', until: Date.parse(text) });

describe('a moment', () => {
  test('is a slot, or the end of what a time names', () => {
    expect(parseMoment('12')).toEqual({ kind: 'slot', seq: 12 });
    expect(parseMoment('20261128')).toEqual({ kind: 'slot', seq: 20261128 });
    expect<unknown>(parseMoment('2026-11-28')).toEqual(at('2026-11-28T23:59:59.999Z'));
    expect<unknown>(parseMoment('2026-11-28T10:15:00Z')).toEqual(at('2026-11-28T10:15:00.999Z'));
    expect<unknown>(parseMoment('2026-11-28t10:15:00z')).toEqual(at('2026-11-28T10:15:00.999Z'));
    expect<unknown>(parseMoment('2026-11-28 10:15:00.25+01:30')).toEqual(at('2026-11-28T08:45:00.250Z'));
    expect<unknown>(parseMoment('20261128t101500z')).toEqual(at('2026-11-28T10:15:00.999Z'));
  });

  test('in an address has only letters and digits', () => {
    expect<unknown>(parseCompactTime('20261128t101500z')).toEqual(at('2026-11-28T10:15:00.999Z'));
    expect<unknown>(parseCompactTime('20261128')).toEqual(at('2026-11-28T23:59:59.999Z'));
    for (const text of ['', '2026', '20261128t', '20261128t1015z', '20261128t101500', '2026-11-28', '12', 'latest']) {
      expect(parseCompactTime(text)).toBeUndefined();
    }
  });

  test.each([
    '',
    '0',
    '-1',
    '01',
    '2026-11',
    '2026-02-30',
    '2026-13-01',
    '2026-11-28T24:00:00Z',
    '2026-11-28T10:15Z',
    'now',
  ])('is not %p', (text) => expect(parseMoment(text)).toBeUndefined());

  test.each(['20260230', '20261301', '20261128t250000z', '20261128t106000z'])('does not exist at %s', (text) =>
    expect(parseCompactTime(text)).toBeUndefined(),
  );

  test('is read again as it was written', () => {
    fc.assert(
      fc.property(moments, (moment) => {
        expect(parseMoment(momentText(moment))).toEqual(moment);
        if (moment.kind === 'time') {
          const compact = formatTime(moment.until).replaceAll(/[-:]/g, '').toLowerCase();
          expect(parseCompactTime(compact)?.until).toBe(Math.floor(moment.until / 1000) * 1000 + 999);
        }
      }),
    );
  });
});

test('a moment is written as it is read, and a second as addresses have it', () => {
  fc.assert(
    fc.property(moments, (moment) => {
      expect(parseMoment(formatMoment(moment))).toEqual(moment);
      if (moment.kind === 'slot') return;
      const second = secondOf(moment.until);
      expect(parseCompactTime(formatCompactTime(second))).toEqual(second);
      expect(second.until - moment.until).toBeWithin(0, 1000);
    }),
  );
});

describe('a side of a comparison', () => {
  test('is read again as it was written', () => {
    fc.assert(fc.property(diffSides, (side) => expect(parseDiffSide(sideText(side))).toEqual(side)));
  });

  test('is a moment before it is a tag, unless it says that it is one', () => {
    expect(parseDiffSide('12')).toEqual({ kind: 'moment', moment: { kind: 'slot', seq: 12 } });
    expect<unknown>(parseDiffSide('tag:12')).toEqual({ kind: 'manifest', reference: { tag: '12' }, at: undefined });
    expect<unknown>(parseDiffSide('v1@7')).toEqual({
      kind: 'manifest',
      reference: { tag: 'v1' },
      at: { kind: 'slot', seq: 7 },
    });
    for (const text of ['', '@', 'v1@', '@7', 'v1@v2', 'a b', 'tag:', 'sha256:0', '7@8x']) {
      expect(parseDiffSide(text)).toBeUndefined();
    }
  });
});
