import type { Config } from '../config.ts';
import { Runner } from '../jobs/runner.ts';
import type { Incarnation } from '../oci/names.ts';
import { ContentCache } from '../registry/content-cache.ts';
import type { Registry } from '../registry/interface.ts';
import { ParseQueue } from '../registry/parse-queue.ts';
import { NO_POLICY } from '../registry/policy.ts';
import type { RegistryPorts } from '../registry/ports.ts';
import { SealedPositions } from '../registry/sealed-position.ts';
import { StoreRegistry } from '../registry/store-registry.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import { AccessControl } from '../rules/access-control.ts';
import { AnswerDeadline } from '../rules/answer-deadline.ts';
import { DeletesDisabled } from '../rules/deletes-disabled.ts';
import { ExpiryWarnings } from '../rules/expiry-warnings.ts';
import { ImmutableTags } from '../rules/immutable-tags.ts';
import { ReadOnly } from '../rules/read-only.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { Thread } from '../threads/thread.ts';
import type { Access } from './access.ts';
import { sleep } from './basics.ts';
import { openBlobSource } from './blob-cache.ts';
import type { ExpiryWatch } from './expiring.ts';
import type { Shape } from './node-ports.ts';
import { openPast, type Past } from './past.ts';
import type { QuotaWiring } from './quotas.ts';
import type { Replication } from './replica.ts';
import type { OpenedStore } from './store.ts';

/**
 * How long a presigned URL is valid, in milliseconds. Clients follow the redirect at once, and a running download is not cut off. Where
 * access is restricted it is as short as a token, since the store does not ask whether its holder may still pull.
 */
const REDIRECT_MS = 20 * 60_000;
const RESTRICTED_REDIRECT_MS = 5 * 60_000;

export interface RegistryWiring {
  readonly config: Config;
  readonly opened: Pick<OpenedStore, 'driver' | 'store'>;
  readonly logs: Logs;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
  readonly newId: () => Incarnation;
  readonly shape: Pick<Shape, 'projection' | 'sessions' | 'counted'>;
  readonly access: Pick<Access, 'policy' | 'gate'>;
  readonly policy: RetentionPolicy | undefined;
  readonly writes: WriteSwitch;
  readonly expiring: Pick<ExpiryWatch, 'notices'> | undefined;
  readonly quotas: Pick<QuotaWiring, 'limit'>;
  readonly replication: Pick<Replication, 'addSource'>;
}

/** The registry that clients reach, with its rules. */
export interface OpenedRegistry {
  readonly registry: Registry;
  readonly past: Past;
  /** Bytes of manifests and small blobs in memory. */
  readonly cacheBytes: () => number;
  /** Ends what runs in the background. */
  readonly close: () => Promise<void>;
}

export function openRegistry(wiring: RegistryWiring): OpenedRegistry {
  const { config, opened, logs, newId, shape, access, policy } = wiring;
  const { driver, store } = opened;
  const { projection, sessions } = shape;
  const runner = new Runner({
    sleep,
    failed: (task, error) => logs.logger.error({ task, err: error }, 'background work failed'),
  });
  const cache = new ContentCache(config.contentCache);
  const blobs = openBlobSource(wiring);
  const parses = new ParseQueue({ now: () => performance.now(), sleep });
  const ports: RegistryPorts = {
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
  const past = openPast(config, ports, projection, access.policy);
  return {
    registry: withRules(new StoreRegistry(ports), past, wiring),
    past,
    cacheBytes: () => cache.size,
    close: async () => {
      await runner.stop();
      await blobs.close();
    },
  };
}

function redirectFor({ s3Redirect }: Config, { gate }: Pick<Access, 'gate'>): number | undefined {
  if (!s3Redirect) return undefined;
  return gate === undefined ? REDIRECT_MS : RESTRICTED_REDIRECT_MS;
}

/** Wraps the registry in the rules for requests, from the innermost to the outermost. */
function withRules(
  inner: Registry,
  past: Pick<Past, 'addTo'>,
  { config, shape, access, policy, writes, expiring, quotas, replication }: RegistryWiring,
): Registry {
  let registry = replication.addSource(new AnswerDeadline(inner), () => writes.state === 'replica');
  if (expiring !== undefined) registry = new ExpiryWarnings(registry, expiring.notices);
  if (policy !== undefined) registry = new ImmutableTags(registry, policy);
  if (!config.deleteEnabled) registry = new DeletesDisabled(registry);
  // Only that file has quotas.
  if (config.accessFile !== undefined) registry = quotas.limit(registry, shape.counted);
  registry = new ReadOnly(registry, writes);
  return new AccessControl(past.addTo(registry), access.policy);
}
