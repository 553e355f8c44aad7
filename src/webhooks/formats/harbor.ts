import type { Change } from '../../feed/change.ts';
import { type Format, imageName } from './format.ts';

/**
 * The webhooks of Harbor, as Argo CD Image Updater, Kargo, Keel and Flux read them. Without a tag, the digest stands in its place, as
 * Harbor has it.
 */
export const harbor: Format = {
  contentType: 'application/json',
  events: ['tag.set', 'manifest.put', 'tag.deleted', 'manifest.deleted'],
  // Argo CD Image Updater and Kargo answer 400 to all types but PUSH_ARTIFACT, and Keel would take a digest for the name of a tag.
  defaultEvents: ['tag.set'],
  // Argo CD Image Updater reads only the first of several resources.
  maxChanges: 1,
  render: ([change], registry) => {
    if (change === undefined) throw new Error('a delivery has at least one change');
    const { repository, actor = '', time } = change;
    const isDelete = change.type === 'tag.deleted' || change.type === 'manifest.deleted';
    const digest = change.digest ?? change.previous;
    return JSON.stringify({
      type: isDelete ? 'DELETE_ARTIFACT' : 'PUSH_ARTIFACT',
      occur_at: Math.floor(Date.parse(time) / 1000),
      operator: actor,
      event_data: {
        resources: [{ digest, tag: change.tag ?? digest, resource_url: imageName(change, registry) }],
        repository: { ...projectOf(repository), repo_full_name: repository },
      },
    });
  },
};

/** Harbor's projects are the first component of a name. */
function projectOf(repository: Change['repository']): { readonly name: string; readonly namespace: string } {
  const slash = repository.indexOf('/');
  return slash < 0
    ? { name: repository, namespace: '' }
    : { name: repository.slice(slash + 1), namespace: repository.slice(0, slash) };
}
