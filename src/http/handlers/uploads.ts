import { algorithmOf } from '../../oci/digest.ts';
import type { Digest, RepositoryName, UploadId } from '../../oci/names.ts';
import type { Upload } from '../../registry/interface.ts';
import { contentLength, uploadBody } from '../body.ts';
import type { Handler, HandlerPorts, RequestContext } from '../context.ts';
import { location } from '../location.ts';
import { parseContentRange } from '../range.ts';
import { respond } from '../response.ts';

/** "Upon success, the response MUST have a code of 202 Accepted, and MUST include the following header: Location". */
export const startUpload: Handler<'upload-start'> = async ({ repo, algorithm }, context, ports) =>
  started(await ports.registry.startUpload(repo, algorithm, context), context, ports);

/** "Successful completion of the request MUST return a 201 Created and MUST include … Location: <blob-location>". */
export const pushMonolithic: Handler<'upload-monolithic'> = async ({ repo, digest }, context, ports) => {
  const body = uploadBody(context, undefined, ports.limits.body);
  await ports.registry.pushBlob(repo, digest, body, context);
  return created(repo, digest, context);
};

/** "If … unable to mount the requested blob, it SHOULD return a 202. This indicates that the upload session has begun". */
export const mountBlob: Handler<'blob-mount'> = async ({ repo, digest, from }, context, ports) => {
  const { registry } = ports;
  if (await registry.mountBlob(repo, digest, from, context)) return created(repo, digest, context);
  return started(await registry.startUpload(repo, algorithmOf(digest), context), context, ports);
};

/** "The response for each successful chunk upload MUST be 202 Accepted". */
export const uploadChunk: Handler<'upload-chunk'> = async ({ repo, upload }, context, ports) => {
  const { body, range } = chunk(context, ports);
  return progress(await ports.registry.appendToUpload(repo, upload, body, range, context), 202, context);
};

/** "The response to a successful closing of the session MUST be 201 Created". */
export const closeUpload: Handler<'upload-close'> = async ({ repo, upload, digest }, context, ports) => {
  const { body, range } = chunk(context, ports);
  await ports.registry.closeUpload(repo, upload, digest, body, range, context);
  return created(repo, digest, context);
};

/** "The response to an active upload <blob-push-location> MUST be a 204 No Content response code". */
export const uploadStatus: Handler<'upload-status'> = async ({ repo, upload }, context, ports) =>
  progress(await ports.registry.uploadStatus(repo, upload, context), 204, context);

/** "If successful, the response SHOULD be a 204 No Content response code." */
export const cancelUpload: Handler<'upload-cancel'> = async ({ repo, upload }, context, { registry }) => {
  await registry.cancelUpload(repo, upload, context);
  return respond(null, { status: 204, headers: {} });
};

function chunk(context: RequestContext, { limits }: HandlerPorts) {
  const range = parseContentRange(context.request.headers.get('content-range'), contentLength(context.request));
  const announced = range === undefined ? undefined : range.end - range.start + 1;
  return { range, body: uploadBody(context, announced, limits.body) };
}

function started(upload: Upload, context: RequestContext, ports: HandlerPorts): Response {
  const headers = sessionHeaders(upload, context);
  headers['OCI-Chunk-Min-Length'] = String(ports.limits.chunkMinLength);
  headers['Content-Length'] = '0';
  return respond(null, { status: 202, headers });
}

function progress(upload: Upload, status: 202 | 204, context: RequestContext): Response {
  const headers = sessionHeaders(upload, context);
  if (status === 202) headers['Content-Length'] = '0';
  return respond(null, { status, headers });
}

function created(repo: RepositoryName, digest: Digest, context: RequestContext): Response {
  return respond(null, {
    status: 201,
    headers: {
      Location: location(context, `/v2/${repo}/blobs/${digest}`),
      'Docker-Content-Digest': digest,
      'Content-Length': '0',
    },
  });
}

function sessionHeaders({ id, repo, offset }: Upload, context: RequestContext): Record<string, string> {
  return {
    Location: location(context, uploadPath(repo, id)),
    // "The <end-of-range> value is the position of the last uploaded byte". An upload without bytes has to send 0-0, too.
    Range: `0-${Math.max(0, offset - 1)}`,
    'Docker-Upload-UUID': id,
  };
}

function uploadPath(repo: RepositoryName, id: UploadId): string {
  return `/v2/${repo}/blobs/uploads/${id}`;
}
