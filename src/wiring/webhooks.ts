import packageJson from '../../package.json' with { type: 'json' };
import type { Config } from '../config.ts';
import type { Feed } from '../feed/feed.ts';
import { hostOf } from '../http/public-address.ts';
import type { Projection } from '../projection/projection.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { DescribeManifest } from '../webhooks/changes-of-page.ts';
import type { RegistryAddress } from '../webhooks/formats/format.ts';
import { GivingWay } from '../webhooks/giving-way.ts';
import { resolveName, Sender } from '../webhooks/sender.ts';
import { WebhookService } from '../webhooks/service.ts';
import { readReport } from '../webhooks/status.ts';
import type { TryOutPorts } from '../webhooks/try-out.ts';
import { sleep } from './basics.ts';
import { withScrapeTimeout } from './collection.ts';
import type { OpenedStore } from './store.ts';
import type { WebhookFile } from './webhook-file.ts';

/** How often a busy webhook's cursor is stored, in milliseconds: each time is a request to a bucket. */
const SAVE_EVERY_MS = { locked: 1_000, shared: 5_000 };
export interface WebhookWiring {
  readonly config: Pick<Config, 'publicUrl' | 'publicHosts' | 'port' | 'tlsCertFile'>;
  readonly file: WebhookFile;
  readonly opened: Pick<OpenedStore, 'driver' | 'store' | 'isLocked'>;
  readonly feed: Feed;
  readonly projection: Pick<Projection, 'manifestByDigest'>;
  readonly writes: WriteSwitch;
  readonly newId: () => string;
  /** Whether clients need this process more than receivers do. */
  readonly isBusy: () => boolean;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Delivers the webhooks in this process, or waits to take over from the one that does. The caller closes the result. */
export function openWebhooks(ports: WebhookWiring): WebhookService {
  const { config, file, opened, feed, projection, writes, newId, isBusy, logger, telemetry } = ports;
  const { driver, store, isLocked } = opened;
  const steadyNow = (): number => performance.now();
  const givingWay = new GivingWay({ isBusy, steadyNow, sleep });
  const service = new WebhookService({
    driver,
    feed,
    newId,
    sleep,
    random: Math.random,
    now: Date.now,
    registry: registryAddress(config, store),
    version: packageJson.version,
    isAlone: isLocked,
    saveEvery: isLocked ? SAVE_EVERY_MS.locked : SAVE_EVERY_MS.shared,
    steadyNow,
    giveWay: (count, waited, signal) => givingWay.turn(count, waited, signal),
    describe: describeBy(projection),
    openSender: (webhook) => {
      const sender = new Sender(webhook, { resolve: resolveName, now: steadyNow });
      return { send: (message, signal) => sender.send(message, signal), close: () => sender.close() };
    },
    webhooks: file.current,
    readOnly: () => writes.stopped,
    listener: listenerOf(logger, telemetry),
  });
  file.onChange(() => service.look());
  if (config.publicUrl === '' && config.publicHosts.length === 0)
    logger.warn(
      { host: registryAddress(config, store).host },
      'webhooks name this registry by this host: set PUBLIC_URL to the one that clients use',
    );
  service.start();
  return service;
}

/** What a delivery that is only a test needs. */
export function tryOutPorts(config: WebhookWiring['config'], store: string): TryOutPorts {
  const registry = registryAddress(config, store);
  return { registry, version: packageJson.version, now: Date.now, resolve: resolveName };
}

function registryAddress(
  { publicUrl, publicHosts: [publicHost], port, tlsCertFile }: WebhookWiring['config'],
  store: string,
): RegistryAddress {
  if (publicUrl !== '') return { url: publicUrl, host: hostOf(publicUrl), store };
  const host = publicHost ?? `localhost:${port}`;
  return { url: `${tlsCertFile === undefined ? 'http' : 'https'}://${host}`, host, store };
}

function describeBy(projection: Pick<Projection, 'manifestByDigest'>): DescribeManifest {
  return async (repo, digest) => {
    const found = await projection.manifestByDigest(repo, digest);
    const record = found.kind === 'known' ? found.value?.record : undefined;
    return record === undefined ? undefined : { mediaType: record.mediaType, size: record.size };
  };
}

function listenerOf(logger: Logger, telemetry: Telemetry): ConstructorParameters<typeof WebhookService>[0]['listener'] {
  return {
    attempted: ({ name }, { kind }, seconds) => telemetry.webhooks.attempted(name, kind, seconds),
    failing: ({ name, url }, reason) => {
      if (reason === undefined) logger.info({ webhook: name }, 'the receiver of a webhook accepts deliveries again');
      else logger.warn({ webhook: name, host: url.host, reason }, 'a webhook cannot be delivered; it is tried again');
    },
    skipped: ({ name }, count) =>
      logger.error(
        { webhook: name, count },
        'changes became older than maxAge before they could be delivered: skipped',
      ),
    cursorLost: ({ name }, error) =>
      logger.error(
        { webhook: name, reason: error.message },
        'the feed does not know the cursor of a webhook: changes of the last minutes before it are delivered again',
      ),
    failed: (webhook, error) =>
      logger.error({ webhook: webhook?.name, err: error }, 'webhooks are held up by the store; it is tried again'),
    delivers: (isDelivering) =>
      logger.info(isDelivering ? 'this process delivers the webhooks' : 'this process delivers the webhooks no more'),
  };
}

/** Shows in /metrics what the webhooks of this process are doing. */
export function observeWebhooks(telemetry: Telemetry, service: WebhookService, logger: Logger): void {
  telemetry.webhooks.observe({
    webhooks: async () => service.statuses(),
    failed: (error) => logger.warn({ err: error }, 'the webhooks could not be read'),
    now: Date.now,
  });
}

/** Shows in /metrics what the webhooks of a cluster are doing, as the worker that delivers them last reported. */
export function observeReportedWebhooks(
  telemetry: Telemetry,
  { driver }: Pick<OpenedStore, 'driver'>,
  logger: Logger,
): void {
  telemetry.webhooks.observe({
    webhooks: () => withScrapeTimeout(readReport(driver)),
    failed: (error) => logger.warn({ err: error }, 'the report on webhooks could not be read'),
    now: Date.now,
  });
}
