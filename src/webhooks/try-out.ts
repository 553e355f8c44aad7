import type { Change, ChangeType } from '../feed/change.ts';
import { digestOf } from '../oci/digest.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import { type MessagePorts, messageOf } from './message.ts';
import { type Outcome, Sender, type SenderPorts } from './sender.ts';
import type { Webhook } from './webhook.ts';

const REPOSITORY = 'marina/test-delivery' as RepositoryName;
const TAG = 'test' as Tag;

export interface TryOutPorts extends MessagePorts, SenderPorts {}

/** Sends a webhook a delivery about an image that does not exist, once. The state of the webhook does not change. */
export async function tryOut(webhook: Webhook, ports: TryOutPorts, signal: AbortSignal): Promise<Outcome> {
  const sender = new Sender(webhook, ports);
  try {
    return await sender.send(messageOf(webhook, [exampleFor(webhook, ports.now())], 0, ports), signal);
  } finally {
    sender.close();
  }
}

/** Of a type that the webhook would get. */
function exampleFor({ events }: Webhook, now: number): Change {
  const [first] = events;
  const type: ChangeType = first === undefined || events.has('tag.set') ? 'tag.set' : first;
  const digest = digestOf('sha256', new Uint8Array());
  const about = {
    id: `${REPOSITORY}@0.0`,
    repository: REPOSITORY,
    seq: 0,
    index: 0,
    time: new Date(now).toISOString(),
    type,
  };
  if (type === 'tag.deleted') return { ...about, tag: TAG, previous: digest };
  return type === 'tag.set' ? { ...about, tag: TAG, digest } : { ...about, digest };
}
