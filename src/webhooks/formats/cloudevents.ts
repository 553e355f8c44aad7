import type { Change } from '../../feed/change.ts';
import type { Format } from './format.ts';

/** Argo CD Image Updater understands events of any registry if `image` is in their type. */
const TYPE_PREFIX = 'marina.image.';

/** CloudEvents 1.0 in structured mode. Its `data` is the change as `/api/v1/changes` has it. */
export const cloudevents: Format = {
  contentType: 'application/cloudevents+json; charset=utf-8',
  events: [
    ...(['manifest.put', 'manifest.deleted', 'tag.set', 'tag.deleted', 'repo.deleted'] as const),
    ...(['blob.linked', 'blob.unlinked'] as const),
  ],
  defaultEvents: ['manifest.put', 'manifest.deleted', 'tag.set', 'tag.deleted', 'repo.deleted'],
  // Only its batched mode could hold more, which few receivers know.
  maxChanges: 1,
  render: ([change], { url }) => {
    if (change === undefined) throw new Error('a delivery has at least one change');
    return JSON.stringify({
      specversion: '1.0',
      // "Producers MUST ensure that source + id is unique for each distinct event."
      id: change.id,
      source: url,
      type: `${TYPE_PREFIX}${change.type}`,
      subject: subjectOf(change),
      time: change.time,
      datacontenttype: 'application/json',
      data: change,
    });
  },
};

function subjectOf({ repository, tag, digest }: Change): string {
  if (tag !== undefined) return `${repository}:${tag}`;
  return digest === undefined ? repository : `${repository}@${digest}`;
}
