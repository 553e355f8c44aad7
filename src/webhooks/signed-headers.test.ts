import { describe, expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { problemOfSecret, Secret } from './secret.ts';
import { deliveryId, signedHeaders } from './signed-headers.ts';

const BODY = '{"events":["ä"]}';
const ID = deliveryId([{ id: 'a@1.0' }]);

function hmac(key: string, message: string): string {
  return `sha256=${createHmac('sha256', key).update(message).digest('hex')}`;
}

describe('the signatures of a delivery', () => {
  test('are over the timestamp and the body, and for Flux over the body', () => {
    const now = Date.UTC(2026, 10, 28) + 999;
    const seconds = String(Date.UTC(2026, 10, 28) / 1000);
    expect(signedHeaders(ID, BODY, new Secret('hunter2'), now)).toMatchObject({
      'x-marina-timestamp': seconds,
      'x-marina-signature': hmac('hunter2', `${seconds}.${BODY}`),
      'x-signature': hmac('hunter2', BODY),
    });
  });

  test('are accepted by the library of Standard Webhooks, for both forms of secrets', () => {
    const coded = `whsec_${Buffer.from('a key with 24 bytes or so').toString('base64')}`;
    const now = Date.now();
    expect(new StandardWebhook(coded).verify(BODY, signedHeaders(ID, BODY, new Secret(coded), now))).toEqual({
      events: ['ä'],
    });
    const raw = new StandardWebhook('hunter2', { format: 'raw' });
    expect(raw.verify(BODY, signedHeaders(ID, BODY, new Secret('hunter2'), now))).toEqual({ events: ['ä'] });
    const other = signedHeaders(ID, BODY, new Secret('hunter3'), now);
    expect(() => raw.verify(BODY, other)).toThrow('No matching signature found');
  });

  test('are absent without a secret', () => {
    expect(Object.keys(signedHeaders(ID, BODY, undefined, 0))).toEqual([
      ...['x-marina-timestamp', 'webhook-id', 'webhook-timestamp'],
    ]);
  });

  test('have an id that depends on the changes alone, without a full stop', () => {
    expect(ID).toMatch(/^msg_[0-9a-f]{32}$/);
    expect(deliveryId([{ id: 'a@1.0' }])).toBe(ID);
    expect(deliveryId([{ id: 'a@1.0' }, { id: 'a@1.1' }])).not.toBe(ID);
  });
});

describe('a secret', () => {
  test('is refused if receivers could not have it, without being shown', () => {
    for (const text of ['x', 'whsec_aGVsbG8=', 'a-b_c.d!'.repeat(64)])
      expect([text, problemOfSecret(text)]).toEqual([text, undefined]);
    for (const text of ['', 'a b', 'ä', 'a\n', 'x'.repeat(513), 'whsec_', 'whsec_***', 'whsec_abc']) {
      const problem = problemOfSecret(text);
      expect([text, problem]).toEqual([text, expect.stringContaining('expected')]);
      if (text !== '' && text !== 'whsec_') expect(problem).not.toContain(text);
    }
  });

  test('is not shown when it is printed', () => {
    const shown = `${Bun.inspect(new Secret('hunter2'))} ${JSON.stringify(new Secret('hunter2'))} ${new Secret('hunter2')}`;
    expect(shown).not.toContain('hunter2');
  });
});
