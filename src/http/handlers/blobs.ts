import { unreachable } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import type { Blob, BlobContent, Registry } from '../../registry/interface.ts';
import { mapMaybeAsync } from '../../registry/maybe-async.ts';
import type { ByteRange } from '../../storage/driver.ts';
import type { FileResponse, Handler, HandlerPorts, RequestContext } from '../context.ts';
import { layOutParts, type MultipartLayout, multipartBytes, multipartStream, newBoundary } from '../multipart.ts';
import { parseRange, WHOLE } from '../range.ts';
import { type PreparedHeaders, prepareHeaders, respond } from '../response.ts';
import type { Route } from '../route.ts';
import { StoredFile } from '../stored-file.ts';
import { isNotModified, notModified, requestedRange } from './conditional.ts';

type LocalContent = Exclude<BlobContent, { kind: 'elsewhere' }>;
type FoundBlob = Pick<Blob, 'size'>;
type BlobRoute = Extract<Route, { kind: 'blob-get' | 'blob-head' }>;

/** "A HEAD request to an existing blob … MUST return 200 OK … MUST contain the size in bytes … in the header Content-Length". */
export const headBlob: Handler<'blob-head'> = (route, context, ports) => {
  const found = ports.registry.renewBlob(route.repo, route.digest, context);
  return found instanceof Promise
    ? renderHeadLater(found, route, context, ports)
    : renderHead(found, route, context, ports);
};

/** Like sendManifest, a read from memory allocates no closure. */
async function renderHeadLater(
  found: Promise<FoundBlob>,
  route: BlobRoute,
  context: RequestContext,
  ports: HandlerPorts,
): Promise<Response> {
  return renderHead(await found, route, context, ports);
}

function renderHead(
  { size }: FoundBlob,
  route: BlobRoute,
  { request }: RequestContext,
  { isPublic }: HandlerPorts,
): Response {
  const caching = cachingOf(isPublic(route.repo));
  return isNotModified(request, route.digest)
    ? notModified(route.digest, caching)
    : respond(null, { headers: wholeHeaders(route, size, caching) });
}

/** "A GET request to an existing blob URL MUST provide the expected blob, with a response code that MUST be 200 OK." */
export const getBlob: Handler<'blob-get'> = (route, context, { registry, isPublic }) => {
  const { repo, digest } = route;
  const caching = cachingOf(isPublic(repo));
  if (isNotModified(context.request, digest)) return confirmBlob(route, caching, context, registry);
  const delivery = wantsSeveralRanges(context.request, digest) ? 'here' : 'anywhere';
  const found = registry.getBlob(repo, digest, context, delivery);
  return found instanceof Promise
    ? sendBlobLater(route, found, caching, context)
    : sendBlob(route, found, caching, context);
};

/** Answers a client that has the blob already, if the repository has it too. */
function confirmBlob(
  { repo, digest }: BlobRoute,
  caching: Caching,
  context: RequestContext,
  registry: Registry,
): Response | Promise<Response> {
  return mapMaybeAsync(registry.resolveBlob(repo, digest, context), () => notModified(digest, caching));
}

async function sendBlobLater(
  route: BlobRoute,
  found: Promise<Blob>,
  caching: Caching,
  context: RequestContext,
): Promise<Response> {
  return sendBlob(route, await found, caching, context);
}

/** Object stores answer a request for several ranges with the whole object, so the registry serves those itself. */
function wantsSeveralRanges(request: Request, digest: Digest): boolean {
  return requestedRange(request, digest)?.includes(',') === true;
}

/** The client sends its Range to the store. HEAD is never redirected, because a presigned URL is valid for one method only. */
function redirect(digest: Digest, url: string): Response {
  return respond(null, {
    status: 307,
    headers: {
      Location: url,
      'Docker-Content-Digest': digest,
      'Content-Length': '0',
      // The URL expires, and anyone who has it can read the blob.
      'Cache-Control': 'no-store',
    },
  });
}

function sendBlob(route: BlobRoute, { size, content }: Blob, caching: Caching, context: RequestContext): Response {
  if (content.kind === 'elsewhere') return redirect(route.digest, content.url);
  const header = requestedRange(context.request, route.digest);
  const wanted = header === null ? WHOLE : parseRange(header, size);
  if (wanted.kind === 'several')
    return sendParts(
      route.digest,
      layOutParts(wanted.ranges, size, newBoundary()),
      { size, content },
      caching,
      context,
    );
  const range = wanted.kind === 'single' ? wanted.range : undefined;
  const { start, end } = range ?? { start: 0, end: size };
  context.stats.sent = end - start;
  if (content.kind === 'file') {
    return context.sendFile({ ...headOf(route.digest, range, size, caching), path: content.path, size, start, end });
  }
  const head =
    range === undefined ? { headers: wholeHeaders(route, size, caching) } : headOf(route.digest, range, size, caching);
  if (content.kind === 'bytes')
    return respond(range === undefined ? content.bytes : content.bytes.subarray(start, end), head);
  context.allowSlowReader();
  // The chunks may be lent, because Bun sends or copies each before it reads the next one.
  return respond(content.open({ start, end }, 'lent'), head);
}

/** "A server generating a multipart response … MUST generate … multipart/byteranges" (RFC 9110, section 15.3.7.2). */
function sendParts(
  digest: Digest,
  layout: MultipartLayout,
  { size, content }: { readonly size: number; readonly content: LocalContent },
  caching: Caching,
  context: RequestContext,
): Response {
  context.stats.sent = layout.length;
  const headers = { ...blobHeaders(digest, layout.length, caching), 'Content-Type': layout.contentType };
  const head = { status: 206, headers };
  switch (content.kind) {
    case 'bytes':
      return respond(multipartBytes(layout, content.bytes), head);
    case 'file':
      return respond(multipartFile(layout, content.path, size), head);
    case 'stream':
      return respond(
        multipartStream(layout, (range) => content.open(range, 'lent')),
        head,
      );
    default:
      return unreachable(content);
  }
}

/** Reads all parts from one file, which is opened with the first read: a client that disconnects before leaves no file open. */
function multipartFile(layout: MultipartLayout, path: string, size: number): ReadableStream<Uint8Array> {
  let file: StoredFile | undefined;
  const open = (range: ByteRange): ReadableStream<Uint8Array> => {
    file ??= StoredFile.open(path, size);
    return file.stream(range);
  };
  return multipartStream(layout, open, () => file?.close());
}

/** "Upon success, the registry MUST respond with code 202 Accepted. If the blob is not found, a 404 Not Found". */
export const deleteBlob: Handler<'blob-delete'> = async ({ repo, digest }, context, { registry }) => {
  await registry.deleteBlob(repo, digest, context);
  return respond(null, { status: 202, headers: { 'Content-Length': '0' } });
};

/**
 * Headers of whole blobs by route. Most requests are for the same few blobs, and Bun takes prepared headers at no cost. A route is one
 * object for all requests as long as addressOf caches it, and the headers live as long as the route.
 */
const prepared = new WeakMap<
  BlobRoute,
  { readonly size: number; readonly caching: Caching; readonly headers: PreparedHeaders }
>();

function wholeHeaders(route: BlobRoute, size: number, caching: Caching): PreparedHeaders {
  const cached = prepared.get(route);
  // The size changes if a damaged blob is pushed again.
  if (cached?.size === size && cached.caching === caching) return cached.headers;
  const headers = prepareHeaders(blobHeaders(route.digest, size, caching));
  prepared.set(route, { size, caching, headers });
  return headers;
}

function headOf(
  digest: Digest,
  range: ByteRange | undefined,
  size: number,
  caching: Caching,
): Pick<FileResponse, 'status' | 'headers'> {
  if (range === undefined) return { status: 200, headers: blobHeaders(digest, size, caching) };
  const { start, end } = range;
  const headers = {
    ...blobHeaders(digest, end - start, caching),
    'Content-Range': `bytes ${start}-${end - 1}/${size}`,
  };
  return { status: 206, headers };
}

type Caching = typeof PUBLIC | typeof PRIVATE;

/** A digest's bytes never change. */
const PUBLIC = { 'Cache-Control': 'public, max-age=31536000, immutable' } as const;
const PRIVATE = { 'Cache-Control': 'private, max-age=31536000, immutable' } as const;

/** Shared caches may keep only blobs that anonymous clients may pull. */
function cachingOf(isPublic: boolean): Caching {
  return isPublic ? PUBLIC : PRIVATE;
}

function blobHeaders(digest: Digest, length: number, caching: Caching): Record<string, string> {
  return {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(length),
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'Accept-Ranges': 'bytes',
    ...caching,
  };
}
