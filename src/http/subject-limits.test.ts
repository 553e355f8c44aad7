import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventually } from '../../test/support/eventually.ts';
import { type Actor, ANONYMOUS } from '../access/access.ts';
import { labelOf } from '../access/identity.ts';
import { RegistryError } from '../oci/errors.ts';
import { SharedTable } from '../system/shared-table.ts';
import { SharedSubjects } from './shared-subjects.ts';
import { type LimitedRequest, type SubjectLimitSettings, SubjectLimits } from './subject-limits.ts';

const actor = (name: string): Actor => ({ id: `user:${name}`, label: `user:${name}` });
const plain = (who: Actor, client = '10.0.0.1'): LimitedRequest => ({ actor: who, client, upload: undefined });
const sending = (who: Actor, announced: number | undefined, received = 0): LimitedRequest => ({
  ...plain(who),
  upload: { announced, stats: { received } },
});

function refusalOf(limits: SubjectLimits, request: LimitedRequest): string {
  try {
    limits.enter(request)();
    return 'none';
  } catch (error) {
    if (error instanceof RegistryError) return `${error.kind}: ${error.message}`;
    throw error;
  }
}

/** The limits on as many threads, which share their memory. */
function threads(settings: SubjectLimitSettings, count: number): readonly SubjectLimits[] {
  const memory = SharedTable.allocate(100);
  return Array.from({ length: count }, () => new SubjectLimits(settings, new SharedSubjects(new SharedTable(memory))));
}

function onTwoThreads(settings: SubjectLimitSettings): SubjectLimits {
  return threads(settings, 2)[0] ?? expect.unreachable();
}

describe.each([
  ['on one thread', (settings: SubjectLimitSettings) => new SubjectLimits(settings)],
  ['on one of two threads', onTwoThreads],
])('the limits of a subject %s', (_, limitsOf) => {
  test('count its requests from all addresses, separately from those of others', () => {
    const limits = limitsOf({ requests: 2, uploads: 0, bytes: 0 });
    const leave = limits.enter(plain(actor('ci'), '10.0.0.1'));
    limits.enter(plain(actor('ci'), '10.0.0.2'));
    expect(refusalOf(limits, plain(actor('ci'), '10.0.0.3'))).toBe(
      'too-many-requests: you have 2 requests in progress of 2 allowed: finish some first, or try again',
    );
    expect(refusalOf(limits, plain(actor('other')))).toBe('none');
    leave();
    leave();
    expect(refusalOf(limits, plain(actor('ci')))).toBe('none');
  });

  test('apply to the address of anonymous clients, or to the IPv6 network', () => {
    const limits = limitsOf({ requests: 1, uploads: 0, bytes: 0 });
    limits.enter(plain(ANONYMOUS, '2001:db8:1:2::1'));
    expect(refusalOf(limits, plain(ANONYMOUS, '2001:db8:1:2::ffff'))).toStartWith('too-many-requests');
    expect(refusalOf(limits, plain(ANONYMOUS, '2001:db8:1:3::1'))).toBe('none');
    expect(refusalOf(limits, plain(actor('ci'), '2001:db8:1:2::1'))).toBe('none');
  });

  test('apply to the address of clients whose token has no subject, as token servers issue them to anonymous clients', () => {
    const limits = limitsOf({ requests: 1, uploads: 0, bytes: 0 });
    const label = labelOf({ kind: 'token', subject: '' });
    const nobody: Actor = { id: label, label };
    limits.enter(plain(nobody, '10.0.0.1'));
    expect(refusalOf(limits, plain(nobody, '10.0.0.1'))).toStartWith('too-many-requests');
    expect(refusalOf(limits, plain(nobody, '10.0.0.2'))).toBe('none');
  });

  test('count uploads separately from other requests', () => {
    const limits = limitsOf({ requests: 0, uploads: 1, bytes: 0 });
    const ci = actor('ci');
    for (let number = 0; number < 5; number++) limits.enter(plain(ci));
    limits.enter(sending(ci, undefined));
    expect(refusalOf(limits, sending(ci, 1))).toBe(
      'too-many-requests: you have 1 uploads in progress of 1 allowed: finish some first, or try again',
    );
    expect(refusalOf(limits, plain(ci))).toBe('none');
  });

  test('count announced bytes, or received bytes if none are announced, and allow one upload of any size', () => {
    const limits = limitsOf({ requests: 0, uploads: 0, bytes: 100 });
    const ci = actor('ci');
    const leave = limits.enter(sending(ci, 5_000));
    expect(refusalOf(limits, sending(ci, 1))).toBe(
      'too-many-requests: your uploads in progress have 5000 bytes of 100 allowed: finish some first, or try again',
    );
    leave();
    const stats = { received: 0 };
    limits.enter({ ...plain(ci), upload: { announced: undefined, stats } });
    expect(refusalOf(limits, sending(ci, 5_000))).toBe('none');
    stats.received = 60;
    expect(refusalOf(limits, sending(ci, 41))).toStartWith('too-many-requests');
    expect(refusalOf(limits, sending(ci, 40))).toBe('none');
    expect(refusalOf(limits, sending(ci, undefined))).toBe('none');
    stats.received = 101;
    expect(refusalOf(limits, sending(ci, undefined))).toStartWith('too-many-requests');
  });

  test('do not depend on the order in which requests begin and end', () => {
    const steps = fc.array(fc.record({ who: fc.constantFrom('a', 'b'), comes: fc.boolean(), sends: fc.boolean() }));
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (some, requests, uploads) => {
        const limits = limitsOf({ requests, uploads, bytes: 0 });
        const open: { who: string; sends: boolean; leave: () => void }[] = [];
        for (const { who, comes, sends } of some) {
          if (!comes) {
            open.shift()?.leave();
            continue;
          }
          const mine = open.filter((each) => each.who === who);
          const isFull = mine.length >= requests || (sends && mine.filter((each) => each.sends).length >= uploads);
          const request = sends ? sending(actor(who), 1) : plain(actor(who));
          expect(refusalOf(limits, request) === 'none').toBe(!isFull);
          if (!isFull) open.push({ who, sends, leave: limits.enter(request) });
        }
      }),
    );
  });
});

describe('the limits of a subject on several threads', () => {
  const ci = actor('ci');

  test('count its requests and uploads on all of them', () => {
    const [a, b, c] = threads({ requests: 3, uploads: 2, bytes: 100 }, 3);
    if (a === undefined || b === undefined || c === undefined) return expect.unreachable();
    const leave = a.enter(sending(ci, 60));
    expect(refusalOf(b, sending(ci, 41))).toContain('60 bytes of 100 allowed');
    b.enter(sending(ci, 40));
    expect(refusalOf(c, sending(ci, undefined))).toContain('2 uploads in progress of 2 allowed');
    c.enter(plain(ci));
    for (const each of [a, b, c]) expect(refusalOf(each, plain(ci))).toContain('3 requests in progress of 3 allowed');
    expect(refusalOf(c, plain(actor('other')))).toBe('none');
    leave();
    expect(refusalOf(c, sending(ci, 60))).toBe('none');
  });

  test('count the bytes of an upload of unknown length within moments, and forget them with the upload', async () => {
    const [a, b] = threads({ requests: 0, uploads: 0, bytes: 100 }, 2);
    if (a === undefined || b === undefined) return expect.unreachable();
    const stats = { received: 0 };
    const leave = a.enter({ ...plain(ci), upload: { announced: undefined, stats } });
    stats.received = 80;
    await eventually(() => expect(refusalOf(b, sending(ci, 21))).toContain('80 bytes of 100 allowed'));
    stats.received = 1_000;
    leave();
    b.enter(plain(ci));
    expect(refusalOf(b, sending(ci, 5_000))).toBe('none');
  });
});
