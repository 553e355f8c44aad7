import type { Change } from '../../feed/change.ts';
import { unreachable } from '../../oci/errors.ts';
import type { Format, RegistryAddress } from './format.ts';

/** What distribution says of every blob. */
const BLOB_TYPE = 'application/octet-stream';

interface Event {
  readonly id: string;
  readonly timestamp: string;
  readonly action: 'push' | 'mount' | 'delete';
  readonly target: Target;
  readonly request: {
    readonly id: string;
    readonly host: string;
    readonly method: string;
    readonly useragent: string;
  };
  readonly actor: { readonly name?: string };
  readonly source: { readonly addr: string; readonly instanceID: string };
}

interface Target {
  readonly mediaType?: string | undefined;
  readonly digest?: string | undefined;
  readonly size?: number | undefined;
  /** The same as `size`. */
  readonly length?: number | undefined;
  readonly repository: string;
  readonly fromRepository?: string | undefined;
  readonly url?: string;
  readonly tag?: string;
}

/**
 * The notifications of distribution, whose envelope holds one or more events. Deletes also have the tag, and the digest that it pointed
 * to. The log does not record the request of a change, so `request` has only its method and the host of the registry.
 */
export const distribution: Format = {
  contentType: 'application/vnd.docker.distribution.events.v2+json',
  events: [
    ...(['blob.linked', 'blob.unlinked', 'manifest.put', 'manifest.deleted'] as const),
    ...(['tag.set', 'tag.deleted', 'repo.deleted'] as const),
  ],
  // Those of distribution itself, which has no event for what its garbage collection removes.
  defaultEvents: ['blob.linked', 'manifest.put', 'manifest.deleted', 'tag.set', 'tag.deleted', 'repo.deleted'],
  maxChanges: 100,
  render: (changes, registry) => {
    const events = changes
      .filter((change, index) => !isToldByTag(change, changes, index))
      .map((change) => eventOf(change, registry));
    return JSON.stringify({ events });
  },
};

/** distribution has one event for a push by tag. We have two changes: that of the tag follows that of the manifest in the same slot. */
function isToldByTag({ type, repository, seq, digest }: Change, changes: readonly Change[], index: number): boolean {
  if (type !== 'manifest.put') return false;
  for (let next = index + 1; next < changes.length; next++) {
    const other = changes[next];
    if (other === undefined || other.repository !== repository || other.seq !== seq) return false;
    if (other.type === 'tag.set' && other.digest === digest) return true;
  }
  return false;
}

function eventOf(change: Change, registry: RegistryAddress): Event {
  const { id, time, actor } = change;
  const { action, method, target } = whatHappened(change, registry);
  return {
    ...{ id, timestamp: time, action, target },
    request: { id, host: registry.host, method, useragent: '' },
    actor: actor === undefined ? {} : { name: actor },
    source: { addr: registry.host, instanceID: registry.store },
  };
}

function whatHappened(
  change: Change,
  { url }: RegistryAddress,
): Pick<Event, 'action' | 'target'> & { readonly method: string } {
  const { type, repository, tag, digest, previous, mediaType, size, from } = change;
  const named = tag === undefined ? {} : { tag };
  switch (type) {
    case 'manifest.put':
    case 'tag.set': {
      const at = `${url}/v2/${repository}/manifests/${digest}`;
      const target = { mediaType, digest, size, length: size, repository, url: at, ...named };
      return { action: 'push', method: 'PUT', target };
    }
    case 'blob.linked': {
      const at = `${url}/v2/${repository}/blobs/${digest}`;
      const target = { mediaType: BLOB_TYPE, digest, size, length: size, repository, fromRepository: from, url: at };
      return from === undefined
        ? { action: 'push', method: 'PUT', target }
        : { action: 'mount', method: 'POST', target };
    }
    case 'manifest.deleted':
    case 'blob.unlinked':
    case 'repo.deleted':
      return { action: 'delete', method: 'DELETE', target: { digest, repository } };
    case 'tag.deleted':
      return { action: 'delete', method: 'DELETE', target: { digest: previous, repository, ...named } };
    default:
      return unreachable(type);
  }
}
