import { unreachable } from '../oci/errors.ts';
import { changeRobot, explainAccess, getAccess, getRobots } from './api/access-handlers.ts';
import { getChanges } from './api/changes.ts';
import { getDiff, getDocument, getRepository, getTagHistory } from './api/handlers.ts';
import { getComparison, getManifestDetails, getPackages } from './api/manifest-handlers.ts';
import { getOperations, giveOrder } from './api/operations-handlers.ts';
import { getRepositories, getSharers, getStorage, getTags, getTotals, searchAll } from './api/overview-handlers.ts';
import {
  getReplication,
  getReplicationCollection,
  getReplicationCollections,
  getReplicationLog,
  getReplicationObject,
  getReplicationObjects,
  getReplicationRepositories,
  getReplicationSlots,
} from './api/replication-handlers.ts';
import { getPins, getRetention, getRetentionOutlook } from './api/retention-handlers.ts';
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
import { servePage } from './ui/pages.tsx';

/** "If the response is 200 OK, then the registry implements this specification". The spec leaves the body open. */
const PONG = '{}';

/** The only table from routes to handlers. A route without a handler does not compile. */
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
    case 'api-document':
      return getDocument(route, context, ports);
    case 'api-changes':
      return getChanges(route, context, ports);
    case 'api-tag-history':
      return getTagHistory(route, context, ports);
    case 'api-repository':
      return getRepository(route, context, ports);
    case 'api-diff':
      return getDiff(route, context, ports);
    case 'api-search':
      return searchAll(route, context, ports);
    case 'api-repositories':
      return getRepositories(route, context, ports);
    case 'api-tags':
      return getTags(route, context, ports);
    case 'api-retention':
      return getRetention(route, context, ports);
    case 'api-retention-outlook':
      return getRetentionOutlook(route, context, ports);
    case 'api-pins':
      return getPins(route, context, ports);
    case 'api-totals':
      return getTotals(route, context, ports);
    case 'api-storage':
      return getStorage(route, context, ports);
    case 'api-sharers':
      return getSharers(route, context, ports);
    case 'api-manifest':
      return getManifestDetails(route, context, ports);
    case 'api-packages':
      return getPackages(route, context, ports);
    case 'api-compare':
      return getComparison(route, context, ports);
    case 'api-replication':
      return getReplication(route, context, ports);
    case 'api-replication-slots':
      return getReplicationSlots(route, context, ports);
    case 'api-replication-log':
      return getReplicationLog(route, context, ports);
    case 'api-replication-repositories':
      return getReplicationRepositories(route, context, ports);
    case 'api-replication-objects':
      return getReplicationObjects(route, context, ports);
    case 'api-replication-object':
      return getReplicationObject(route, context, ports);
    case 'api-replication-collections':
      return getReplicationCollections(route, context, ports);
    case 'api-replication-collection':
      return getReplicationCollection(route, context, ports);
    case 'api-access':
      return getAccess(route, context, ports);
    case 'api-access-explain':
      return explainAccess(route, context, ports);
    case 'api-robots':
      return getRobots(route, context, ports);
    case 'api-robot-change':
      return changeRobot(route, context, ports);
    case 'api-operations':
      return getOperations(route, context, ports);
    case 'api-order':
      return giveOrder(route, context, ports);
    case 'token-get':
      return getToken(route, context, ports);
    case 'token-post':
      return postToken(route, context, ports);
    case 'page':
      return servePage(route, context, ports);
    default:
      return unreachable(route);
  }
}
