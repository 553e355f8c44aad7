import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FileProblem } from '../access/reloaded-file.ts';
import { DURATION_FORMS, parseDuration } from '../config/duration.ts';
import { parseSince, type Since } from '../feed/feed.ts';
import { canonicalJson } from '../journal/canonical.ts';
import { Patterns, patterns } from '../rule-file/patterns.ts';
import { parseRuleFile, RuleFileError } from '../rule-file/yaml-file.ts';
import { FORMATS } from './formats/formats.ts';
import { addressOfHost, isLocalName, isPublicAddress } from './public-address.ts';
import { problemOfSecret, Secret } from './secret.ts';
import { FORMAT_NAMES, parseWebhookName, WEBHOOK_NAME_FORMS, type Webhook } from './webhook.ts';

/** An unusable WEBHOOKS_FILE. The message is one line and names the place in the file; it shows neither secrets nor URLs. */
export class WebhooksFileError extends FileProblem {
  override readonly name = 'WebhooksFileError';
}

/** Each webhook has its own reader of the feed. */
const MAX_WEBHOOKS = 100;
const MAX_URL_CHARACTERS = 2_048;
const MAX_HEADERS = 32;
const MAX_HEADER_CHARACTERS = 4_096;
const TIMEOUT = { least: '100ms', most: '60s', fallback: '10s' } as const;
const MAX_AGE = { least: '1m', most: '3650d', fallback: '7d' } as const;

/** Set by Marina, or by the HTTP client, in each delivery. */
const OWN_HEADERS =
  /^(?:host|connection|content-.*|transfer-encoding|expect|te|trailer|upgrade|keep-alive|user-agent|x-signature|x-marina-.*|webhook-.*)$/;

const name = z.string('a name is expected').transform((text, context) => {
  const parsed = parseWebhookName(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: `${WEBHOOK_NAME_FORMS} are expected` });
  return z.NEVER;
});

const url = z.string('a URL is expected').transform((text, context) => {
  const problem = problemOfUrl(text);
  if (problem === undefined) return new URL(text);
  context.addIssue({ code: 'custom', message: problem });
  return z.NEVER;
});

function problemOfUrl(text: string): string | undefined {
  const isUrl = text.length <= MAX_URL_CHARACTERS && /^https?:\/\/[\x21-\x7e]+$/.test(text) && URL.canParse(text);
  if (!isUrl) return 'a URL like https://receiver.example/path is expected';
  const { username, password, hash } = new URL(text);
  if (username !== '' || password !== '') return 'a URL without a user name is expected; credentials can be a header';
  return hash === '' ? undefined : 'a URL without a fragment (#) is expected';
}

function duration({ least, most }: typeof TIMEOUT | typeof MAX_AGE): z.ZodType<number, string> {
  return z.string(`${DURATION_FORMS} is expected`).transform((text, context) => {
    const milliseconds = parseDuration(text);
    const isWithin =
      milliseconds !== undefined &&
      milliseconds >= (parseDuration(least) ?? 0) &&
      milliseconds <= (parseDuration(most) ?? 0);
    if (isWithin) return milliseconds;
    const message = milliseconds === undefined ? DURATION_FORMS : `a duration from ${least} to ${most}`;
    context.addIssue({ code: 'custom', message: `${message} is expected` });
    return z.NEVER;
  });
}

const since = z.string('now, beginning or a time is expected').transform((text, context): Since => {
  const parsed = parseSince(text);
  // A cursor would soon be too old to make sense in a file.
  if (parsed !== undefined && parsed.kind !== 'cursor') return parsed;
  const message = 'now, beginning or a time such as 2026-11-28T10:15:00Z is expected; write a time in quotes';
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const headers = z
  .record(z.string(), z.string('a text is expected; write it in quotes'), 'headers are expected, as {name: value}')
  .superRefine((entries, context) => {
    const refuse = (path: readonly string[], message: string): void =>
      context.addIssue({ code: 'custom', path: [...path], message });
    const seen = new Set<string>();
    for (const [key, value] of Object.entries(entries)) {
      const lower = key.toLowerCase();
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(key)) refuse([key], 'this cannot be the name of a header');
      else if (OWN_HEADERS.test(lower)) refuse([key], 'Marina sets this header itself');
      else if (seen.has(lower)) refuse([key], 'an earlier header has this name, too');
      else if (!/^[\x20-\x7e]*$/.test(value) || value.length > MAX_HEADER_CHARACTERS)
        refuse([key], `at most ${MAX_HEADER_CHARACTERS} printable ASCII characters are expected`);
      seen.add(lower);
    }
    if (seen.size > MAX_HEADERS) refuse([], `at most ${MAX_HEADERS} headers are expected`);
  });

const secret = z.string('a text is expected; write it in quotes').superRefine((text, context) => {
  const message = problemOfSecret(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const entry = z.strictObject({
  name,
  url,
  repositories: patterns('repository').default(['**']),
  events: z.array(z.string()).min(1, 'at least one type of changes is expected').optional(),
  format: z.enum(FORMAT_NAMES, `one of ${FORMAT_NAMES.join(', ')} is expected`).default('cloudevents'),
  secret: secret.optional(),
  headers: headers.default({}),
  timeout: duration(TIMEOUT).default(parseDuration(TIMEOUT.fallback) ?? 0),
  maxAge: duration(MAX_AGE).default(parseDuration(MAX_AGE.fallback) ?? 0),
  allowPrivate: z.boolean('true or false is expected').default(false),
  since: since.default({ kind: 'now' }),
});

type Entry = z.output<typeof entry>;
type Refuse = (path: readonly PropertyKey[], message: string) => void;

const file = z
  .strictObject({
    webhooks: z
      .array(entry, 'a list of webhooks is expected')
      .max(MAX_WEBHOOKS, `at most ${MAX_WEBHOOKS} are expected`),
  })
  .transform(({ webhooks }, context) => {
    const names = new Set<string>();
    return webhooks.map((each, index) => {
      const refuse: Refuse = (path, message) =>
        context.addIssue({ code: 'custom', path: ['webhooks', index, ...path], message });
      if (names.has(each.name)) refuse(['name'], 'an earlier webhook has this name, too');
      names.add(each.name);
      return toWebhook(each, refuse);
    });
  });

function toWebhook(written: Entry, refuse: Refuse): Webhook {
  const { url: target, allowPrivate } = written;
  const address = addressOfHost(target.hostname);
  const isPrivate = address === undefined ? isLocalName(target.hostname) : !isPublicAddress(address);
  if (isPrivate && !allowPrivate) refuse(['url'], privateHost(target.hostname));
  const { events, defaultEvents } = FORMATS[written.format];
  const known = new Map(events.map((type) => [type as string, type]));
  for (const [place, type] of (written.events ?? []).entries()) {
    if (known.has(type)) continue;
    refuse(['events', place], `one of ${events.join(', ')} is expected for the format ${written.format}`);
  }
  const chosen = written.events?.flatMap((type) => known.get(type) ?? []) ?? defaultEvents;
  return {
    ...written,
    repositories: new Patterns(written.repositories),
    events: new Set(chosen),
    secret: written.secret === undefined ? undefined : new Secret(written.secret),
    headers: new Map(Object.entries(written.headers).map(([key, value]) => [key.toLowerCase(), value])),
    version: createHash('sha256')
      .update(canonicalJson({ ...written, url: target.href }))
      .digest('hex'),
  };
}

export function privateHost(hostname: string): string {
  return `${hostname} is this machine or in a private network: if it is meant, set \`allowPrivate: true\``;
}

/**
 * Parses a WEBHOOKS_FILE.
 * @throws WebhooksFileError for the first problem
 */
export function parseWebhooksFile(text: string): readonly Webhook[] {
  try {
    return parseRuleFile(text, file, 'a file of webhooks').value;
  } catch (error) {
    throw error instanceof RuleFileError ? new WebhooksFileError(error.message) : error;
  }
}
