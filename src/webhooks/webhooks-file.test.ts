import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { RepositoryName } from '../oci/names.ts';
import { parseWebhooksFile, WebhooksFileError } from './webhooks-file.ts';

function problemOf(text: string): string {
  try {
    parseWebhooksFile(text);
  } catch (error) {
    if (error instanceof WebhooksFileError) return error.message;
    throw error;
  }
  return 'none';
}

/** A webhook with all that is needed, so that one thing in it can be wrong. */
const webhook = (part: string): string =>
  `webhooks:\n  - name: ci\n    url: https://receiver.example/hook\n${part === '' ? '' : `    ${part}\n`}`;
const at = (url: string): string => `webhooks:\n  - name: ci\n    url: ${url}\n`;

test('the file in docs/webhooks.md can be used as it is', async () => {
  const page = await Bun.file(new URL('../../docs/webhooks.md', import.meta.url)).text();
  const [, file = ''] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
  expect(parseWebhooksFile(file).map(({ name }) => String(name))).toEqual(['deploy']);
});

describe('a file of webhooks', () => {
  test('says all about an endpoint', () => {
    const [full, short, harbor] = parseWebhooksFile(`
webhooks:
  - name: deploy.prod
    url: https://receiver.example:8443/hook?x=1
    repositories: ['team/**', 'base']
    events: [tag.set, tag.deleted]
    format: distribution
    secret: hunter2
    headers: { Authorization: Bearer abc, X-Other: '1' }
    timeout: 3s
    maxAge: 2d
    allowPrivate: true
    since: '2026-11-28T10:15:00Z'
  - name: short
    url: http://203.example/
  - { name: harbor, url: 'http://127.0.0.1:6666/', format: harbor, allowPrivate: true, since: beginning }
`);
    expect(full).toMatchObject({
      ...{ name: 'deploy.prod', format: 'distribution', timeout: 3_000, maxAge: 2 * 86_400_000, allowPrivate: true },
      since: { kind: 'time', at: Date.UTC(2026, 10, 28, 10, 15) },
    });
    expect(full?.url.href).toBe('https://receiver.example:8443/hook?x=1');
    expect([...(full?.events ?? [])]).toEqual(['tag.set', 'tag.deleted']);
    expect([...(full?.headers ?? [])]).toEqual([
      ['authorization', 'Bearer abc'],
      ['x-other', '1'],
    ]);
    for (const [name, matches] of [
      ['team/a/b', true],
      ['base', true],
      ['other', false],
    ] as const)
      expect(full?.repositories.matches(name as RepositoryName)).toBe(matches);
    expect(short).toMatchObject({
      ...{ format: 'cloudevents', timeout: 10_000, maxAge: 7 * 86_400_000, allowPrivate: false, secret: undefined },
      since: { kind: 'now' },
    });
    expect(short?.repositories.matches('any/thing' as RepositoryName)).toBe(true);
    expect([...(harbor?.events ?? [])]).toEqual(['tag.set']);
  });

  test('gives each description a version of its own, which shows no secret', () => {
    const versions = ['', 'secret: hunter2', 'secret: hunter3', 'timeout: 3s', 'headers: {a: b}'].map(
      (part) => parseWebhooksFile(webhook(part))[0]?.version,
    );
    expect(new Set(versions).size).toBe(versions.length);
    expect(parseWebhooksFile(webhook('timeout: 3s'))[0]?.version).toBe(versions[3] ?? '');
    const parsed = parseWebhooksFile(webhook('secret: hunter2'));
    expect(JSON.stringify(parsed) + Bun.inspect(parsed[0]?.secret)).not.toContain('hunter2');
  });

  test.each([
    ['', 'line 1, column 1: Invalid input: expected object, received null'],
    ['webhooks: {}', 'line 1, column 11 (webhooks): a list of webhooks is expected'],
    ['webhooks: []\nmore: 1', 'line 2, column 7 (more): there is no such key'],
    ['webhooks: [{name: a}]', 'line 1, column 12 (webhooks[0].url): a URL is expected'],
    [
      'webhooks: [{name: A b, url: "https://a.example"}]',
      'line 1, column 19 (webhooks[0].name): up to 63 lower-case letters and digits, with single . _ - between them are expected',
    ],
    [
      `${webhook('')}  - {name: ci, url: 'https://b.example'}`,
      'line 4, column 12 (webhooks[1].name): an earlier webhook has this name, too',
    ],
    [webhook('secrets: x'), 'line 4, column 14 (webhooks[0].secrets): there is no such key'],
    [
      webhook('format: slack'),
      'line 4, column 13 (webhooks[0].format): one of distribution, cloudevents, cloudevents-batch, harbor is expected',
    ],
    [
      webhook('events: [push]'),
      'line 4, column 14 (webhooks[0].events[0]): one of manifest.put, manifest.deleted, tag.set, tag.deleted, repo.deleted, blob.linked, blob.unlinked is expected for the format cloudevents',
    ],
    [webhook('events: []'), 'line 4, column 13 (webhooks[0].events): at least one type of changes is expected'],
    [
      webhook('repositories: [A]'),
      'line 4, column 20 (webhooks[0].repositories[0]): "A" is not a pattern for a repository\'s name: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed',
    ],
    [webhook('secret: 1'), 'line 4, column 13 (webhooks[0].secret): a text is expected; write it in quotes'],
    [webhook('secret: whsec_x'), 'line 4, column 13 (webhooks[0].secret): after "whsec_" a key in base64 is expected'],
    [webhook('headers: {Host: a}'), 'line 4, column 21 (webhooks[0].headers.Host): Marina sets this header itself'],
    [
      webhook('headers: {X-Signature: a}'),
      'line 4, column 28 (webhooks[0].headers.X-Signature): Marina sets this header itself',
    ],
    [webhook('headers: {a b: c}'), 'line 4, column 20 (webhooks[0].headers.a b): this cannot be the name of a header'],
    [
      webhook('headers: {a: b, A: c}'),
      'line 4, column 24 (webhooks[0].headers.A): an earlier header has this name, too',
    ],
    [
      webhook('headers: {a: "b\\r\\nc: d"}'),
      'line 4, column 18 (webhooks[0].headers.a): at most 4096 printable ASCII characters are expected',
    ],
    [webhook('timeout: 2m'), 'line 4, column 14 (webhooks[0].timeout): a duration from 100ms to 60s is expected'],
    [
      webhook('timeout: 5'),
      'line 4, column 14 (webhooks[0].timeout): a duration like 500ms, 30s, 10m, 24h or 7d is expected',
    ],
    [webhook('maxAge: 1s'), 'line 4, column 13 (webhooks[0].maxAge): a duration from 1m to 3650d is expected'],
    [
      webhook('since: tomorrow'),
      'line 4, column 12 (webhooks[0].since): now, beginning or a time such as 2026-11-28T10:15:00Z is expected; write a time in quotes',
    ],
    [
      at('ftp://a.example'),
      'line 3, column 10 (webhooks[0].url): a URL like https://receiver.example/path is expected',
    ],
    [
      at('https://u:p@a.example'),
      'line 3, column 10 (webhooks[0].url): a URL without a user name is expected; credentials can be a header',
    ],
    [at('https://a.example/#x'), 'line 3, column 10 (webhooks[0].url): a URL without a fragment (#) is expected'],
  ])('that is wrong is refused with the line and the reason: %#', (text, expected) => {
    expect(problemOf(text)).toBe(expected);
  });

  test.each([
    ...['http://127.0.0.1/', 'http://10.0.0.1:8080/', 'http://[::1]/', 'http://169.254.169.254/latest/', 'http://0/'],
    ...[
      'http://2130706433/',
      'http://0x7f.1/',
      'http://[::ffff:192.168.0.1]/',
      'http://localhost:3000/',
      'http://a.localhost/',
    ],
  ])('with the private URL %s is refused unless that is meant', (url) => {
    expect(problemOf(at(`'${url}'`))).toMatch(
      /^line 3, column 10 \(webhooks\[0\]\.url\): .*is this machine or in a private network/,
    );
    expect(problemOf(`${at(`'${url}'`)}    allowPrivate: true`)).toBe('none');
  });

  test('shows neither secrets nor URLs when it is refused', () => {
    const hidden = fc.stringMatching(/^[A-Za-z0-9]{12,20}$/);
    const wrong = fc.constantFrom('format: x', 'timeout: 1h', 'since: x', 'headers: {Host: x}', 'more: x');
    fc.assert(
      fc.property(hidden, wrong, (secret, part) => {
        const text = `webhooks:\n  - name: a\n    url: https://a.example/${secret}\n    secret: ${secret}\n    ${part}`;
        expect(problemOf(text)).not.toContain(secret);
      }),
      { numRuns: 100 },
    );
  });
});
