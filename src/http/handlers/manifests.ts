import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts';
import type { Descriptor, Manifest, Reference, ResolvedManifest, Warned } from '../../registry/interface.ts';
import { mapMaybeAsync } from '../../registry/maybe-async.ts';
import type { Handler, HandlerPorts, RequestContext } from '../context.ts';
import { location } from '../location.ts';
import { withManifestBody } from '../manifest-body.ts';
import { type PreparedHeaders, prepareHeaders, respond, withField } from '../response.ts';
import type { Route } from '../route.ts';
import { isConditional, isNotModified, notModified } from './conditional.ts';
import { tagCondition } from './tag-condition.ts';

type ManifestRoute = Extract<Route, { kind: 'manifest-get' | 'manifest-head' }>;

/** "A successful response MUST contain the digest … in the header Docker-Content-Digest … the size … in Content-Length". */
export const headManifest: Handler<'manifest-head'> = (route, context, ports) => {
  const found = ports.registry.renewManifest(route.repo, route.reference, context);
  return found instanceof Promise
    ? renderHeadLater(found, route, context, ports)
    : renderHead(found, route, context, ports);
};

async function renderHeadLater(
  found: Promise<ResolvedManifest>,
  route: ManifestRoute,
  context: RequestContext,
  ports: HandlerPorts,
): Promise<Response> {
  return renderHead(await found, route, context, ports);
}

function renderHead(
  found: ResolvedManifest,
  route: ManifestRoute,
  { request, stats }: RequestContext,
  { onPull }: HandlerPorts,
): Response {
  stats.digest = found.digest;
  // Clients that already have the manifest only check that it is current. That counts as a pull.
  onPull?.(route.repo, route.reference);
  return isNotModified(request, found.digest)
    ? notModified(found.digest, CACHING[route.reference.kind])
    : respond(null, { headers: withWarnings(manifestHeaders(route, found), found.warnings) });
}

/** "A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be 200 OK." */
export const getManifest: Handler<'manifest-get'> = (route, context, ports) => {
  return isConditional(context.request)
    ? sendIfModified(route, context, ports)
    : sendManifest(route, route.reference, context, ports);
};

function sendIfModified(
  route: ManifestRoute,
  context: RequestContext,
  ports: HandlerPorts,
): Response | Promise<Response> {
  const { repo, reference } = route;
  return mapMaybeAsync(ports.registry.resolveManifest(repo, reference, context), ({ digest, warnings }) => {
    // The tag may move in between, so the manifest that was compared is sent, by its digest.
    if (!isNotModified(context.request, digest)) {
      return sendManifest(route, { kind: 'digest', digest }, context, ports, warnings);
    }
    context.stats.digest = digest;
    ports.onPull?.(repo, reference);
    return notModified(digest, CACHING[reference.kind]);
  });
}

/** A pull from memory, which most are, allocates no closure: a few for each request cost it 4 % (docs/decisions/0100). */
function sendManifest(
  route: ManifestRoute,
  reference: Reference,
  context: RequestContext,
  ports: HandlerPorts,
  tagWarnings?: Warned['warnings'],
): Response | Promise<Response> {
  const found = ports.registry.getManifest(route.repo, reference, context);
  return found instanceof Promise
    ? renderLater(found, route, context, ports, tagWarnings)
    : renderManifest(found, route, context, ports, tagWarnings);
}

async function renderLater(
  found: Promise<Manifest>,
  route: ManifestRoute,
  context: RequestContext,
  ports: HandlerPorts,
  tagWarnings: Warned['warnings'],
): Promise<Response> {
  return renderManifest(await found, route, context, ports, tagWarnings);
}

function renderManifest(
  { descriptor, bytes, warnings }: Manifest,
  route: ManifestRoute,
  context: RequestContext,
  { onPull }: HandlerPorts,
  tagWarnings: Warned['warnings'],
): Response {
  context.stats.digest = descriptor.digest;
  context.stats.sent = bytes.length;
  onPull?.(route.repo, route.reference);
  return respond(bytes, { headers: withWarnings(manifestHeaders(route, descriptor), tagWarnings ?? warnings) });
}

/** "The registry MUST store the manifest in the exact byte representation provided by the client." */
export const putManifest: Handler<'manifest-put'> = async ({ repo, reference, tags }, context, ports) => {
  // "The registry SHOULD ignore parameters on the Content-Type header."
  const contentType = mediaTypeOf(context.request.headers.get('content-type'));
  const named = reference.kind === 'digest' ? reference.digest : undefined;
  const condition = tagCondition(context.request, reference);
  const { digest, subject, warnings } = await withManifestBody(
    context,
    MAX_MANIFEST_BYTES,
    ports.limits.manifest,
    (bytes) => ports.registry.pushManifest(repo, { bytes, contentType, digest: named, tags, condition }, context),
  );
  context.stats.digest = digest;
  const headers: Record<string, string> = {
    Location: location(context, `/v2/${repo}/manifests/${digest}`),
    'Docker-Content-Digest': digest,
    'Content-Length': '0',
  };
  // "MUST respond with the response header OCI-Subject: <subject digest>".
  if (subject !== undefined) headers['OCI-Subject'] = subject;
  // "MUST include an OCI-Tag response header … for each accepted tag".
  if (reference.kind === 'digest' && tags.length > 0) headers['OCI-Tag'] = tags.join(', ');
  return respond(null, { status: 201, headers: withWarnings(prepareHeaders(headers), warnings) });
};

/** "Upon success, the registry MUST respond with a 202 Accepted code." Deleting a manifest deletes its tags; deleting a tag, only the tag. */
export const deleteManifest: Handler<'manifest-delete'> = async ({ repo, reference }, context, { registry }) => {
  const condition = tagCondition(context.request, reference);
  if (reference.kind === 'tag') await registry.deleteTag(repo, reference.tag, condition, context);
  else await registry.deleteManifest(repo, reference.digest, context);
  return respond(null, { status: 202, headers: { 'Content-Length': '0' } });
};

/** A tag may move at any time, so caches must revalidate it before each use. */
const CACHING: Readonly<Record<Reference['kind'], Readonly<Record<string, string>>>> = {
  tag: { 'Cache-Control': 'no-cache' },
  digest: {},
};

/**
 * Headers of manifests by route. Most requests are for the same few manifests, and Bun takes prepared headers at no cost. A route is one
 * object for all requests as long as addressOf caches it, and the headers live as long as the route.
 */
const prepared = new WeakMap<ManifestRoute, { readonly descriptor: Descriptor; readonly headers: PreparedHeaders }>();

function manifestHeaders(route: ManifestRoute, descriptor: Descriptor): PreparedHeaders {
  const { digest, mediaType, size } = descriptor;
  const cached = prepared.get(route);
  // The digest changes when the tag moves.
  if (cached?.descriptor.digest === digest && cached.descriptor.mediaType === mediaType) return cached.headers;
  const headers = prepareHeaders({
    'Content-Type': mediaType,
    'Content-Length': String(size),
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    ...CACHING[route.reference.kind],
    // A manifest of any type can be pushed, even text/html. A browser must not run it as a page of this site.
    ...(mediaType.startsWith('application/vnd.') ? {} : { 'Content-Security-Policy': 'sandbox' }),
  });
  prepared.set(route, { descriptor, headers });
  return headers;
}

/** Maximum length of the Warning's text. The spec allows 4096 bytes, but some proxies accept less. */
const MAX_WARNING = 1_000;

/**
 * Adds the warnings in the spec's format, `299 - "<text>"`. They are one value with one text: Bun joins fields of the same name with
 * commas, which HTTP allows, but oras and others ignore a field with several values.
 */
function withWarnings(headers: PreparedHeaders, warnings: Warned['warnings']): PreparedHeaders {
  if (warnings === undefined || warnings.length === 0) return headers;
  return withField(headers, 'Warning', `299 - "${warnings.join('; ').slice(0, MAX_WARNING)}"`);
}

function mediaTypeOf(header: string | null): string | undefined {
  const type = header?.split(';', 1)[0]?.trim();
  return type === undefined || type === '' ? undefined : type;
}
