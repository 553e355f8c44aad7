import type { ChangeType } from '../feed/change.ts';
import type { Since } from '../feed/feed.ts';
import type { Patterns } from '../rule-file/patterns.ts';
import type { Secret } from './secret.ts';

declare const brand: unique symbol;

/** The name of a webhook. Its cursor is stored under it, so a webhook that is renamed begins as a new one. */
export type WebhookName = string & { readonly [brand]: 'WebhookName' };

const MAX_NAME_CHARACTERS = 63;
const NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
export const WEBHOOK_NAME_FORMS = `up to ${MAX_NAME_CHARACTERS} lower-case letters and digits, with single . _ - between them`;

export function parseWebhookName(text: string): WebhookName | undefined {
  return text.length <= MAX_NAME_CHARACTERS && NAME.test(text) ? (text as WebhookName) : undefined;
}

export const FORMAT_NAMES = ['distribution', 'cloudevents', 'cloudevents-batch', 'harbor'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

/** An endpoint that changes are delivered to, as WEBHOOKS_FILE describes it. */
export interface Webhook {
  readonly name: WebhookName;
  readonly url: URL;
  /** It gets the changes of these repositories. */
  readonly repositories: Patterns;
  /** Of these types. */
  readonly events: ReadonlySet<ChangeType>;
  readonly format: FormatName;
  readonly secret: Secret | undefined;
  /** Added to each delivery, by name in lower case. The values may be secrets. */
  readonly headers: ReadonlyMap<string, string>;
  /** For one attempt, in milliseconds, from the look-up of the name to the status of the response. */
  readonly timeout: number;
  /** Changes that could not be delivered for this long, in milliseconds, are skipped. */
  readonly maxAge: number;
  /** Whether it may be in a private network or on this machine. */
  readonly allowPrivate: boolean;
  /** Where it begins when no cursor is stored yet. */
  readonly since: Since;
  /** Differs whenever its description in the file does. It contains no secret. */
  readonly version: string;
}
