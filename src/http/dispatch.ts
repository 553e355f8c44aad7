import { serveApi } from './api/serve-api.ts';
import type { HandlerPorts, RequestContext } from './context.ts';
import { deleteBlob, getBlob, headBlob } from './handlers/blobs.ts';
import { listCatalog, listReferrers, listTags } from './handlers/listings.ts';
import { deleteManifest, getManifest, headManifest, putManifest } from './handlers/manifests.ts';
import { getToken, postToken } from './handlers/token.ts';
import {
  cancelUpload,
  closeUpload,
  mountBlob,
  pushMonolithic,
  startUpload,
  uploadChunk,
  uploadStatus,
} from './handlers/uploads.ts';
import { respond } from './response.ts';
import type { Route } from './route.ts';
import { servePage } from './ui/page.ts';

/** "If the response is 200 OK, then the registry implements this specification". The spec leaves the body open. */
const PONG = '{}';

/** The table from routes to handlers; that of /api/v1 is api/dispatch.ts. A route without a handler does not compile. */
export function dispatch(route: Route, context: RequestContext, ports: HandlerPorts): Response | Promise<Response> {
  switch (route.kind) {
    case 'ping':
      context.stats.sent = PONG.length;
      return respond(PONG, {
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': String(PONG.length),
          'Docker-Distribution-Api-Version': 'registry/2.0',
        },
      });
    case 'blob-get':
      return getBlob(route, context, ports);
    case 'blob-head':
      return headBlob(route, context, ports);
    case 'blob-delete':
      return deleteBlob(route, context, ports);
    case 'manifest-get':
      return getManifest(route, context, ports);
    case 'manifest-head':
      return headManifest(route, context, ports);
    case 'manifest-put':
      return putManifest(route, context, ports);
    case 'manifest-delete':
      return deleteManifest(route, context, ports);
    case 'upload-start':
      return startUpload(route, context, ports);
    case 'upload-monolithic':
      return pushMonolithic(route, context, ports);
    case 'blob-mount':
      return mountBlob(route, context, ports);
    case 'upload-chunk':
      return uploadChunk(route, context, ports);
    case 'upload-close':
      return closeUpload(route, context, ports);
    case 'upload-status':
      return uploadStatus(route, context, ports);
    case 'upload-cancel':
      return cancelUpload(route, context, ports);
    case 'tags-list':
      return listTags(route, context, ports);
    case 'referrers':
      return listReferrers(route, context, ports);
    case 'catalog':
      return listCatalog(route, context, ports);
    case 'token-get':
      return getToken(route, context, ports);
    case 'token-post':
      return postToken(route, context, ports);
    case 'page':
      return servePage(route, context, ports);
    default:
      return serveApi(route, context, ports);
  }
}
