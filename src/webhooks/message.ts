import type { Change } from '../feed/change.ts';
import type { RegistryAddress } from './formats/format.ts';
import { FORMATS } from './formats/formats.ts';
import { rendered } from './rendering.ts';
import type { Message } from './sender.ts';
import { signedHeaders } from './signed-headers.ts';
import type { Webhook } from './webhook.ts';

export interface MessagePorts {
  readonly registry: RegistryAddress;
  /** Of this program, for the header User-Agent. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * The request that delivers changes.
 * @param changes of types that the format has a form for, at least one
 * @param skipped how many changes became too old to be delivered, which the receiver does not know yet
 */
export function messageOf(
  { format, secret, headers }: Webhook,
  changes: readonly Change[],
  skipped: number,
  { registry, version, now }: MessagePorts,
): Message {
  const { body, id } = rendered(format, changes, registry);
  return {
    body,
    headers: {
      ...Object.fromEntries(headers),
      'content-type': FORMATS[format].contentType,
      'user-agent': `Marina/${version}`,
      ...signedHeaders(id, body, secret, now()),
      ...(skipped === 0 ? {} : { 'x-marina-skipped': String(skipped) }),
    },
  };
}
