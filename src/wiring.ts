import { hostname } from 'node:os';
import { ANONYMOUS_CALLER } from './access/access.ts';
import type { AccessRules } from './access/rules/access-rules.ts';
import { type Config, ConfigError } from './config.ts';
import type { HttpLimits } from './http/context.ts';
import { Proxies } from './http/forwarded.ts';
import { ManifestBudget } from './http/manifest-budget.ts';
import { PublicAddress } from './http/public-address.ts';
import { createServer } from './http/server.ts';
import { WebOrigins } from './http/web-origins.ts';
import { addressOf } from './operations/roster/announcement.ts';
import type { Logger, Logs } from './telemetry/log.ts';
import { Telemetry } from './telemetry/metrics.ts';
import type { MetricsPart } from './telemetry/metrics-page.ts';
import { ALONE, type Thread } from './threads/thread.ts';
import { openAccessControl, openAccessFiles } from './wiring/access.ts';
import { idFactory, reachOf } from './wiring/basics.ts';
import { loadEarly } from './wiring/early-loading.ts';
import { watchExpiring } from './wiring/expiring.ts';
import { openFeed } from './wiring/feed.ts';
import { openInsights } from './wiring/insights.ts';
import { type Listeners, openListeners } from './wiring/listeners.ts';
import { receiveNews } from './wiring/news.ts';
import type { Shape, ShapePorts } from './wiring/node-ports.ts';
import { openOperations, openReplicaWatch } from './wiring/operations.ts';
import { wireOverview } from './wiring/overview.ts';
import { openPulls } from './wiring/pulls.ts';
import { openQuotas } from './wiring/quotas.ts';
import { openWriteSwitch } from './wiring/read-only.ts';
import { openRegistry } from './wiring/registry.ts';
import { openReplication } from './wiring/replica.ts';
import { identityFrom, openSource } from './wiring/replica-source.ts';
import { openRequestLimits } from './wiring/request-limits.ts';
import { openPolicy } from './wiring/retention.ts';
import { openRobotsLog } from './wiring/robots.ts';
import { openStore } from './wiring/store.ts';
import { shareOf, type ThreadShare, threadsOf } from './wiring/thread-share.ts';
import { openMetricsPage } from './wiring/threads.ts';
import { DESCRIPTORS_PER_CONNECTION, openTls, strictTransport } from './wiring/tls.ts';
import { openUi } from './wiring/ui.ts';
import type { WebhookFile } from './wiring/webhook-file.ts';

const MANIFEST_DEADLINE_MS = 60_000;
/** The storage drivers accept chunks of any size. */
const CHUNK_MIN_LENGTH = 1;

/** One thread of a node, wired; the only one if the node has one thread. */
export interface Node {
  /** Opens the ports. @param port for clients @throws ConfigError in one line */
  readonly listen: (port: number) => Promise<Listeners>;
  readonly shape: 'embedded' | 'cluster';
  /** Whether everyone may do everything. */
  readonly isOpen: boolean;
  /** ULID of the store that this node serves. */
  readonly store: string;
  /** Location of the store: the data folder's absolute path, or the bucket. */
  readonly place: string;
  /** Short name of the driver. */
  readonly storage: string;
  /** Refuses new requests from now on. */
  readonly refuse: (reason: string) => void;
  /** Requests since the start. */
  readonly begun: () => number;
  readonly inFlight: () => number;
  /** This thread's metrics. */
  readonly metrics: () => Promise<MetricsPart>;
  /** Stops the background work and releases the store. */
  readonly close: () => Promise<void>;
}

/**
 * Assembles one thread of a node: one of a cluster if REDIS_URL is set, otherwise embedded. Opens the store and the connections.
 * @throws ConfigError, StoreRefused, RedisRefused in one line
 */
export async function wire(settings: Config, logs: Logs, version: string, thread: Thread): Promise<Node> {
  const { logger } = logs;
  const config = shareOf(settings, threadsOf(thread));
  if (config.s3Redirect && config.storageDriver !== 's3') {
    throw new ConfigError('S3_REDIRECT=true cannot be used: it needs STORAGE_DRIVER=s3');
  }
  await loadEarly(config.ui);
  const telemetry = new Telemetry();
  const parts = await openParts(config, logs, telemetry, thread);
  const { accessFiles, tls, quotas, overview, source, replication, pulls, expiring, shapePorts } = parts;
  const { opened, policy, writes, robots, newId, folderThread, webhookFile } = shapePorts;
  const { driver, store, place } = opened;
  const shape = await wireShape(shapePorts);
  replication.follow({ ...shape, newest: (repo) => shape.counted.store.newest(repo), robots });
  const proxies = new Proxies(config.trustProxy);
  const publicAddress = new PublicAddress({
    url: config.publicUrl,
    hosts: config.publicHosts,
    proxies,
    scheme: tls === undefined ? 'http' : 'https',
  });
  const access = await openAccessControl({
    config,
    files: accessFiles,
    opened,
    robots,
    writesRefused: () => writes.refused,
    publicAddress,
    logger,
    telemetry,
  });
  const { registry, past, ...inner } = openRegistry({
    config,
    opened,
    logs,
    telemetry,
    thread,
    newId,
    shape,
    access,
    policy,
    writes,
    expiring,
    quotas,
    replication,
  });
  const feed = openFeed({ opened, logs }, shape.notes, access.policy);
  telemetry.observe({
    uploadsOpen: () => shape.sessions.count(),
    viewBytes: shape.viewBytes,
    viewRepositories: shape.viewRepositories,
    cacheBytes: inner.cacheBytes,
    pastBytes: past.bytes,
    changesWaiting: feed.waiting,
    isReadOnly: () => writes.state !== 'writable',
  });
  const metrics = openMetricsPage(thread, telemetry);
  let refusal: string | undefined;
  const ending = new AbortController();
  const notReady = (): string | undefined => refusal;
  const server = createServer({
    registry,
    ...openInsights({
      opened,
      logger,
      telemetry,
      thread,
      folderThread,
      newId,
      registry,
      past,
      feed: feed.feed,
      access: access.policy,
      overview,
      policy,
      expiring,
      writes,
      shape,
    }),
    changes: feed.changes,
    ending: ending.signal,
    replication: replication.local(shape.notes.newest),
    logger,
    telemetry,
    metrics,
    version,
    limits: limitsOf(config),
    onPull: past.withoutPast(pulls?.pulled),
    isPublic: (repo) => access.policy.allows(ANONYMOUS_CALLER, 'pull', repo),
    proxies,
    publicAddress,
    tls: tls?.connections,
    commonHeaders: strictTransport(config),
    gate: access.gate,
    tokens: access.tokens,
    accessDesk: access.desk,
    replicaWatch: openReplicaWatch(shape.operations, logger),
    operations: openOperations({ ...shapePorts, source, owner: shape.operations, askRedis: shape.askRedis }),
    ui: openUi({ config, access, store, logger }),
    webOrigins: new WebOrigins(config.corsOrigins),
    ...openRequestLimits({
      config,
      thread,
      descriptorsPerRequest: tls === undefined ? 2 : DESCRIPTORS_PER_CONNECTION,
      pending: () => server.server?.pendingRequests ?? 0,
    }),
    access: logs.access,
    notReady,
  });
  return {
    listen: async (port) => {
      const listeners = await openListeners({ config, port, server, tls, publicAddress, metrics, notReady, thread });
      shape.presence?.listens(addressOf(listeners.scheme, config.host, listeners.port));
      return listeners;
    },
    isOpen: access.gate === undefined,
    store,
    place,
    storage: driver.kind,
    shape: config.redisUrl === undefined ? 'embedded' : 'cluster',
    refuse: (reason) => {
      refusal = reason;
      shape.presence?.drains();
      // Streams and waits would last until the drain's deadline.
      ending.abort();
    },
    begun: () => telemetry.requests.begun,
    inFlight: () => telemetry.requests.inFlight,
    metrics: () => telemetry.part(),
    close: async () => {
      await replication.close();
      access.close();
      await quotas.close();
      await overview.close();
      parts.closeSwitch();
      expiring?.close();
      webhookFile?.close();
      tls?.close();
      await shape.close();
      await inner.close();
      await pulls?.close();
      await opened.close();
    },
  };
}

/** What a thread opens before its views and sessions: files of the operator, the store, and what both shapes need of them. */
async function openParts(config: ThreadShare, logs: Logs, telemetry: Telemetry, thread: Thread) {
  const { logger } = logs;
  const { redisUrl } = config;
  const policy = await openPolicy(config);
  const newId = idFactory();
  const reach = reachOf(config.crashPoint);
  const folderThread = config.storageDriver === 'filesystem' && redisUrl === undefined ? thread : ALONE;
  const quotas = openQuotas({ logger, telemetry, thread });
  const onRules = (rules: AccessRules): void => quotas.use(rules.quotas);
  const overview = wireOverview(quotas.feed);
  const accessFiles = await openAccessFiles(config, { logger, telemetry, onRules, thread });
  const webhookFile = await webhookFileOf(config, thread, { logger, telemetry });
  const tls = await openTls(config, { logger, telemetry, thread });
  const source = openSource(config);
  const identify = identityFrom(source, newId);
  const opened = await openStore(config, redisUrl !== undefined, { newId, reach, logs, telemetry, identify }, thread);
  const node = config.nodeName === '' ? hostname() : config.nodeName;
  const replication = await openReplication({ config, source, opened, newId, node, logger, telemetry, thread });
  const { writes, close: closeSwitch } = await openWriteSwitch(config, opened, logger, thread, replication.writes);
  const pulls = await openPulls({ opened, policy, newId, logs, thread, folderThread });
  const expiring = watchExpiring(opened, policy, logger);
  const robots = openRobotsLog({ driver: opened.driver, logs, newId, reach, node }, thread);
  const shapePorts: ShapePorts = {
    config,
    logs,
    telemetry,
    opened,
    policy,
    pulls,
    expiring,
    usage: overview.feed,
    webhookFile,
    rulesHash: () => (accessFiles.kind === 'open' ? undefined : accessFiles.hash()),
    writes,
    robots,
    promote: replication.promote,
    newId,
    reach,
    node,
    thread,
    folderThread,
  };
  receiveNews(folderThread, {
    robotsChanged: () => robots.view.refresh(),
    readOnlyTurned: () => writes.lookAgain(),
    retentionEnded: async () => await expiring?.reload(),
    pullsNeeded: async () => await pulls?.flush(),
  });
  return { accessFiles, tls, quotas, overview, source, replication, closeSwitch, pulls, expiring, shapePorts };
}

function limitsOf({ bodyIdleTimeout, uploadMinRate, manifestBuffer, waitingManifests }: ThreadShare): HttpLimits {
  const pace = { idle: bodyIdleTimeout, minRate: uploadMinRate };
  const budget = new ManifestBudget(manifestBuffer, { maxWaiting: waitingManifests });
  return {
    body: pace,
    manifest: { pace, deadline: MANIFEST_DEADLINE_MS, budget },
    chunkMinLength: CHUNK_MIN_LENGTH,
  };
}

/** Only the code of the process's own shape is loaded: in each thread it takes memory and time (docs/decisions/0106-what-a-thread-loads.md). */
async function wireShape(ports: ShapePorts): Promise<Shape> {
  const { redisUrl } = ports.config;
  if (redisUrl !== undefined) return await (await import('./wiring/cluster.ts')).wireCluster(ports, redisUrl);
  return await (await import('./wiring/embedded.ts')).wireEmbedded(ports);
}

async function webhookFileOf(
  config: Config,
  thread: Thread,
  ports: Pick<ShapePorts, 'telemetry'> & { readonly logger: Logger },
): Promise<WebhookFile | undefined> {
  if (config.webhooksFile === undefined || thread.kind === 'other') return undefined;
  const { openWebhookFile } = await import('./wiring/webhook-file.ts');
  return await openWebhookFile(config, ports);
}
