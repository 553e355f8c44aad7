import type { Change } from '../../feed/change.ts';
import type { Format, RegistryAddress } from './format.ts';

/** Argo CD Image Updater understands events of any registry if `image` is in their type. */
const TYPE_PREFIX = 'marina.image.';

const types: Pick<Format, 'events' | 'defaultEvents'> = {
  events: [
    ...(['manifest.put', 'manifest.deleted', 'tag.set', 'tag.deleted', 'repo.deleted'] as const),
    ...(['blob.linked', 'blob.unlinked'] as const),
  ],
  defaultEvents: ['manifest.put', 'manifest.deleted', 'tag.set', 'tag.deleted', 'repo.deleted'],
};

/** CloudEvents 1.0 in structured mode. Its `data` is the change as `/api/v1/changes` has it. */
export const cloudevents: Format = {
  contentType: 'application/cloudevents+json; charset=utf-8',
  ...types,
  maxChanges: 1,
  render: ([change], registry) => {
    if (change === undefined) throw new Error('a delivery has at least one change');
    return JSON.stringify(eventOf(change, registry));
  },
};

/** CloudEvents 1.0 in batched mode, which fewer receivers know. */
export const cloudeventsBatch: Format = {
  contentType: 'application/cloudevents-batch+json; charset=utf-8',
  ...types,
  maxChanges: 100,
  render: (changes, registry) => JSON.stringify(changes.map((change) => eventOf(change, registry))),
};

function eventOf(change: Change, { url }: RegistryAddress): Readonly<Record<string, unknown>> {
  return {
    specversion: '1.0',
    // "Producers MUST ensure that source + id is unique for each distinct event."
    id: change.id,
    source: url,
    type: `${TYPE_PREFIX}${change.type}`,
    subject: subjectOf(change),
    time: change.time,
    datacontenttype: 'application/json',
    data: change,
  };
}

function subjectOf({ repository, tag, digest }: Change): string {
  if (tag !== undefined) return `${repository}:${tag}`;
  return digest === undefined ? repository : `${repository}@${digest}`;
}
