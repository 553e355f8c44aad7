import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts';
import type { FoundManifest } from '../../projection/projection.ts';
import { whenThere } from '../../registry/answer.ts';
import { manifestBody } from '../body.ts';
import type { Handler } from '../context.ts';
import { location } from '../location.ts';
import { isNotModified, notModified } from './conditional.ts';

/** "A successful response MUST contain the digest … in the header Docker-Content-Digest … the size … in Content-Length". */
export const headManifest: Handler<'manifest-head'> = ({ repo, reference }, { request, seen }, { registry, pulled }) =>
  whenThere(registry.manifests.find(repo, reference), (manifest) => {
    seen.digest = manifest.digest;
    // A client that has the manifest already only asks whether it still is the one: that is use, too.
    pulled?.(repo, reference);
    if (isNotModified(request, manifest.digest)) return notModified(manifest.digest);
    return new Response(null, { headers: manifestHeaders(manifest) });
  });

/** "A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be 200 OK." */
export const getManifest: Handler<'manifest-get'> = ({ repo, reference }, { request, seen }, { registry, pulled }) =>
  whenThere(registry.manifests.stat(repo, reference), (manifest) => {
    seen.digest = manifest.digest;
    pulled?.(repo, reference);
    if (isNotModified(request, manifest.digest)) return notModified(manifest.digest);
    return whenThere(registry.manifests.bytes(manifest), (bytes) => {
      seen.sent = bytes.length;
      return new Response(bytes, { headers: manifestHeaders(manifest) });
    });
  });

/** "The registry MUST store the manifest in the exact byte representation provided by the client." */
export const putManifest: Handler<'manifest-put'> = async ({ repo, reference, tags }, context, ports) => {
  const { body, manifestDeadline: deadline } = ports.limits;
  const bytes = await manifestBody(context, MAX_MANIFEST_BYTES, { ...body, deadline });
  const { digest, subject } = await ports.registry.manifests.put(
    {
      repo,
      bytes,
      // "The registry SHOULD ignore parameters on the Content-Type header."
      contentType: mediaTypeOf(context.request.headers.get('content-type')),
      digest: reference.kind === 'digest' ? reference.digest : undefined,
      tags,
    },
    context.actor(),
  );
  context.seen.digest = digest;
  const headers = new Headers({
    Location: location(context, `/v2/${repo}/manifests/${digest}`),
    'Docker-Content-Digest': digest,
    'Content-Length': '0',
  });
  // "MUST respond with the response header OCI-Subject: <subject digest>".
  if (subject !== undefined) headers.set('OCI-Subject', subject);
  // "MUST include an OCI-Tag response header … for each accepted tag".
  if (reference.kind === 'digest' && tags.length > 0) headers.set('OCI-Tag', tags.join(', '));
  return new Response(null, { status: 201, headers });
};

/** "Upon success, the registry MUST respond with a 202 Accepted code." A tag goes alone; a manifest takes its tags along. */
export const deleteManifest: Handler<'manifest-delete'> = async ({ repo, reference }, { actor }, { registry }) => {
  if (reference.kind === 'tag') await registry.manifests.deleteTag(repo, reference.tag, actor());
  else await registry.manifests.delete(repo, reference.digest, actor());
  return new Response(null, { status: 202, headers: { 'Content-Length': '0' } });
};

/** A record never changes, and the same few are asked for again and again. */
const prepared = new WeakMap<FoundManifest['record'], Headers>();

function manifestHeaders({ digest, record }: FoundManifest): Headers {
  const known = prepared.get(record);
  if (known !== undefined) return known;
  const headers = new Headers({
    'Content-Type': record.mediaType,
    'Content-Length': String(record.size),
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  });
  // Any type may be pushed, text/html too: a browser must not run what somebody pushed as if it were a page of this site.
  if (!record.mediaType.startsWith('application/vnd.')) headers.set('Content-Security-Policy', 'sandbox');
  prepared.set(record, headers);
  return headers;
}

function mediaTypeOf(header: string | null): string | undefined {
  const type = header?.split(';', 1)[0]?.trim();
  return type === undefined || type === '' ? undefined : type;
}
