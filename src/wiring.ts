import { hostname } from 'node:os';
import { type AccessPolicy, ANONYMOUS_CALLER } from './access/access.ts';
import type { AccessRules } from './access/rules/access-rules.ts';
import { type Config, ConfigError } from './config.ts';
import { Proxies } from './http/forwarded.ts';
import { ManifestBudget } from './http/manifest-budget.ts';
import { PublicAddress } from './http/public-address.ts';
import { createServer } from './http/server.ts';
import { WebOrigins } from './http/web-origins.ts';
import { LazyInspection } from './inspection/lazy-inspection.ts';
import { Runner } from './jobs/runner.ts';
import { addressOf } from './operations/roster/announcement.ts';
import { RepositoryPins } from './pins/repository-pins.ts';
import { ContentCache } from './registry/content-cache.ts';
import type { Registry } from './registry/interface.ts';
import { ParseQueue } from './registry/parse-queue.ts';
import { NO_POLICY, type RepositoryPolicy } from './registry/policy.ts';
import type { RegistryPorts } from './registry/ports.ts';
import { SealedPositions } from './registry/sealed-position.ts';
import { StoreRegistry } from './registry/store-registry.ts';
import type { WriteSwitch } from './registry/write-switch.ts';
import { AccessControl } from './rules/access-control.ts';
import { AnswerDeadline } from './rules/answer-deadline.ts';
import { DeletesDisabled } from './rules/deletes-disabled.ts';
import { type ExpiryNotices, ExpiryWarnings } from './rules/expiry-warnings.ts';
import { ImmutableTags } from './rules/immutable-tags.ts';
import { ReadOnly } from './rules/read-only.ts';
import type { Logger, Logs } from './telemetry/log.ts';
import { Telemetry } from './telemetry/metrics.ts';
import type { MetricsPart } from './telemetry/metrics-page.ts';
import { ALONE, type Thread } from './threads/thread.ts';
import { type Access, openAccessControl, openAccessFiles } from './wiring/access.ts';
import { idFactory, reachOf, sleep } from './wiring/basics.ts';
import { openBlobSource } from './wiring/blob-cache.ts';
import { loadEarly } from './wiring/early-loading.ts';
import { watchExpiring } from './wiring/expiring.ts';
import { openFeed } from './wiring/feed.ts';
import { type Listeners, openListeners } from './wiring/listeners.ts';
import { receiveNews } from './wiring/news.ts';
import type { Shape, ShapePorts } from './wiring/node-ports.ts';
import { openOperations, openReplicaWatch } from './wiring/operations.ts';
import { wireOverview } from './wiring/overview.ts';
import { openPast } from './wiring/past.ts';
import { openPulls } from './wiring/pulls.ts';
import { openQuotas } from './wiring/quotas.ts';
import { openWriteSwitch } from './wiring/read-only.ts';
import { openReplication } from './wiring/replica.ts';
import { identityFrom, openSource } from './wiring/replica-source.ts';
import { openRequestLimits } from './wiring/request-limits.ts';
import { explainRetention, openOutlook, openPolicy, rememberPulls } from './wiring/retention.ts';
import { openRobotsLog } from './wiring/robots.ts';
import { openStore } from './wiring/store.ts';
import { shareOf, threadsOf } from './wiring/thread-share.ts';
import { openMetricsPage } from './wiring/threads.ts';
import { DESCRIPTORS_PER_CONNECTION, openTls, strictTransport } from './wiring/tls.ts';
import { openUi } from './wiring/ui.ts';
import type { WebhookFile } from './wiring/webhook-file.ts';

const MANIFEST_DEADLINE_MS = 60_000;
/**
 * How long a presigned URL is valid, in milliseconds. Clients follow the redirect at once, and a running download is not cut off. Where
 * access is restricted it is as short as a token, since the store does not ask whether its holder may still pull.
 */
const REDIRECT_MS = 20 * 60_000;
const RESTRICTED_REDIRECT_MS = 5 * 60_000;
/** Bytes of memory for what /api/v1 and the page remember of configs, signatures and bills of materials, in each thread. */
const INSPECTION_MEMORY = 16 * 1024 * 1024;
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
  const policy = await openPolicy(config);
  const newId = idFactory();
  const telemetry = new Telemetry();
  const reach = reachOf(config.crashPoint);
  const { redisUrl } = config;
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
  const pullTimes = rememberPulls(policy, opened);
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
  const shape = await wireShape(shapePorts);
  const { projection, sessions } = shape;
  replication.follow({ ...shape, newest: (repo) => shape.counted.store.newest(repo), robots });
  const { driver, store, place } = opened;
  const runner = new Runner({
    sleep,
    failed: (task, error) => logger.error({ task, err: error }, 'background work failed'),
  });
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
  const cache = new ContentCache(config.contentCache);
  const blobs = openBlobSource({ config, opened, newId, logs, telemetry, thread });
  const parses = new ParseQueue({ now: () => performance.now(), sleep });
  const registryPorts: RegistryPorts = {
    driver,
    projection,
    sessions,
    cache,
    openBlob: blobs.open,
    access: access.policy,
    positions: new SealedPositions(store),
    now: Date.now,
    newIncarnation: newId,
    parse: (size, steps) => parses.run(size, steps),
    grace: config.gcGrace,
    redirectFor: redirectFor(config, access),
    policy: policy ?? NO_POLICY,
    runInBackground: (what, work) => runner.enqueue({ name: `${what} ${newId()}`, run: work }),
  };
  const past = openPast(config, registryPorts, projection, access.policy);
  const registry = withRules(new StoreRegistry(registryPorts), config, {
    access: access.policy,
    policy,
    writes,
    notices: expiring?.notices,
    limit: (inner) => quotas.limit(inner, shape.counted),
    addPast: past.addTo,
    addSource: (inner) => replication.addSource(inner, () => writes.state === 'replica'),
  });
  const feed = openFeed({ opened, logs }, shape.notes, access.policy);
  telemetry.observe({
    uploadsOpen: () => sessions.count(),
    viewBytes: shape.viewBytes,
    viewRepositories: shape.viewRepositories,
    cacheBytes: () => cache.size,
    pastBytes: past.bytes,
    changesWaiting: feed.waiting,
    isReadOnly: () => writes.state !== 'writable',
  });
  const metrics = openMetricsPage(thread, telemetry);
  let refusal: string | undefined;
  const ending = new AbortController();
  const notReady = (): string | undefined => refusal;
  const manifests = new ManifestBudget(config.manifestBuffer, { maxWaiting: config.waitingManifests });
  const pace = { idle: config.bodyIdleTimeout, minRate: config.uploadMinRate };
  const server = createServer({
    registry,
    history: past.history,
    overview: overview.open({
      opened,
      newId,
      logger,
      telemetry,
      thread,
      folderThread,
      feed: feed.feed,
      counted: shape.counted,
      access: access.policy,
      expiring: () => expiring?.announced() ?? [],
      pulls: policy?.pullWindow === undefined ? undefined : pullTimes,
    }),
    retention: explainRetention(policy, {
      access: access.policy,
      stateOf: past.stateOf,
      pulls: pullTimes,
      outlook: openOutlook({
        policy,
        opened,
        logger,
        lookAhead: () => shape.enqueue({ kind: 'retain', dryRun: true }),
      }),
    }),
    pins: new RepositoryPins({
      driver,
      access: access.policy,
      stateOf: past.stateOf,
      newId,
      now: Date.now,
      writesRefused: () => writes.refused,
    }),
    inspection: new LazyInspection(async () => {
      const { Inspector } = await import('./inspection/inspector.ts');
      return new Inspector({
        registry,
        history: past.history,
        names: past.names,
        memory: INSPECTION_MEMORY,
        now: () => performance.now(),
      });
    }),
    changes: feed.changes,
    ending: ending.signal,
    replication: replication.local(shape.notes.newest),
    logger,
    telemetry,
    metrics,
    version,
    limits: {
      body: pace,
      manifest: { pace, deadline: MANIFEST_DEADLINE_MS, budget: manifests },
      chunkMinLength: CHUNK_MIN_LENGTH,
    },
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
    shape: redisUrl === undefined ? 'embedded' : 'cluster',
    refuse: (reason) => {
      refusal = reason;
      shape.presence?.drains();
      // Streams and waits would last until the drain's deadline.
      ending.abort();
    },
    inFlight: () => telemetry.requests.inFlight,
    metrics: () => telemetry.part(),
    close: async () => {
      await replication.close();
      access.close();
      await quotas.close();
      await overview.close();
      closeSwitch();
      expiring?.close();
      webhookFile?.close();
      tls?.close();
      await shape.close();
      await runner.stop();
      await pulls?.close();
      await blobs.close();
      await opened.close();
    },
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

function redirectFor({ s3Redirect }: Config, { gate }: Pick<Access, 'gate'>): number | undefined {
  if (!s3Redirect) return undefined;
  return gate === undefined ? REDIRECT_MS : RESTRICTED_REDIRECT_MS;
}

interface RulePorts {
  readonly access: AccessPolicy;
  readonly policy: RepositoryPolicy | undefined;
  readonly writes: WriteSwitch;
  readonly notices: ExpiryNotices | undefined;
  readonly limit: (inner: Registry) => Registry;
  readonly addPast: (inner: Registry) => Registry;
  readonly addSource: (inner: Registry) => Registry;
}

/** Wraps the registry in the rules for requests, from the innermost to the outermost. */
function withRules(
  inner: Registry,
  { deleteEnabled, accessFile }: Config,
  { access, policy, writes, notices, limit, addPast, addSource }: RulePorts,
): Registry {
  let registry: Registry = addSource(new AnswerDeadline(inner));
  if (notices !== undefined) registry = new ExpiryWarnings(registry, notices);
  if (policy !== undefined) registry = new ImmutableTags(registry, policy);
  if (!deleteEnabled) registry = new DeletesDisabled(registry);
  // Only that file has quotas.
  if (accessFile !== undefined) registry = limit(registry);
  registry = new ReadOnly(registry, writes);
  return new AccessControl(addPast(registry), access);
}
