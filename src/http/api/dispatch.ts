import { unreachable } from '../../oci/errors.ts';
import type { HandlerPorts, RequestContext } from '../context.ts';
import { changeRobot, explainAccess, getAccess, getRobots } from './access-handlers.ts';
import { getChanges } from './changes.ts';
import type { ApiRoute } from './endpoints.ts';
import { getDiff, getDocument, getRepository, getTagHistory } from './handlers.ts';
import { getComparison, getManifestDetails, getPackages } from './manifest-handlers.ts';
import { getOperations, giveOrder } from './operations-handlers.ts';
import { getRepositories, getSharers, getStorage, getTags, getTotals, searchAll } from './overview-handlers.ts';
import {
  getReplication,
  getReplicationCollection,
  getReplicationCollections,
  getReplicationLog,
  getReplicationObject,
  getReplicationObjects,
  getReplicationRepositories,
  getReplicationSlots,
} from './replication-handlers.ts';
import { getPins, getRetention, getRetentionOutlook } from './retention-handlers.ts';

/** The table from the routes of /api/v1 to their handlers. A route without a handler does not compile. */
export function dispatchApi(
  route: ApiRoute,
  context: RequestContext,
  ports: HandlerPorts,
): Response | Promise<Response> {
  switch (route.kind) {
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
    default:
      return unreachable(route);
  }
}
