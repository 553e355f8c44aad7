import { formatBytes } from '../config/size.ts';
import type { JournalEvent } from '../journal/events.ts';
import { unreachable } from '../oci/errors.ts';
import type { Digest } from '../oci/names.ts';
import { count, printable } from './output.ts';

const SHORT_HEX = 12;

/** Artifact types of ordinary images, which are not worth showing. */
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** Formats a digest for people. */
export type ShowDigest = (digest: Digest) => string;

export const wholeDigest: ShowDigest = (digest) => digest;

/** `sha256:` and as many characters as are needed to tell digests apart by eye. */
export const shortDigest: ShowDigest = (digest) => digest.slice(0, digest.indexOf(':') + 1 + SHORT_HEX);

/** Describes an event for people, without its type. */
export function describeEvent(event: JournalEvent, show: ShowDigest): string {
  switch (event.type) {
    case 'blob.linked':
      return `${show(event.digest)} ${formatBytes(event.size)}${event.from === undefined ? '' : ` from ${event.from}`}`;
    case 'blob.unlinked':
    case 'manifest.deleted':
      return show(event.digest);
    case 'manifest.put': {
      const parts = [`${show(event.digest)} ${formatBytes(event.size)}`, printable(event.mediaType)];
      if (event.artifactType !== undefined && !IMAGE_CONFIGS.has(event.artifactType))
        parts.push(`artifact ${printable(event.artifactType)}`);
      if (event.subject !== undefined) parts.push(`subject ${show(event.subject)}`);
      return [...parts, count(event.refs.length, 'reference')].join(', ');
    }
    case 'tag.set':
      return `${event.tag} -> ${show(event.digest)}${event.prev === undefined ? '' : ` (was ${show(event.prev)})`}`;
    case 'tag.deleted':
      return `${event.tag} (was ${show(event.prev)})`;
    case 'repo.deleted':
      return 'with all its tags, manifests and blobs';
    case 'gc.fence':
      return `epoch ${event.epoch}`;
    default:
      return unreachable(event);
  }
}
