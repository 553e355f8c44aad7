import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { webhookOrderKey } from '../storage/paths.ts';
import { readFormat, StoreRefused } from '../storage/prepare.ts';
import { placeOrder, type WrittenOrder } from '../webhooks/orders.ts';
import type { Outcome } from '../webhooks/sender.ts';
import type { WebhookService } from '../webhooks/service.ts';
import { tryOut } from '../webhooks/try-out.ts';
import type { Webhook, WebhookName } from '../webhooks/webhook.ts';
import { sleep } from './basics.ts';
import { requireWritableStore } from './read-only.ts';
import type { OpenedStore } from './store.ts';
import { openStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import type { WebhookFile } from './webhook-file.ts';
import { tryOutPorts } from './webhooks.ts';
import { silent } from './writable.ts';

type Action = WrittenOrder['action'];

/** How long a command waits for its order to be carried out, in milliseconds: longer than the process that delivers takes to look. */
const ORDER_WITHIN_MS = 15_000;
const POLL_MS = 100;

/** What an operator can do with webhooks through a running server. */
export interface WebhookDesk {
  /** @returns whether it has been carried out; otherwise it is stored @throws RegistryError */
  readonly order: (name: WebhookName, action: Action) => Promise<boolean>;
  readonly tryOut: (name: WebhookName) => Promise<Outcome>;
}

export interface DeskPorts {
  readonly config: Parameters<typeof tryOutPorts>[0];
  readonly opened: Pick<OpenedStore, 'driver' | 'store'>;
  readonly file: WebhookFile | undefined;
  readonly service: Pick<WebhookService, 'look'> | undefined;
  readonly newId: () => Incarnation;
}

export function openWebhookDesk({ config, opened: { driver, store }, file, service, newId }: DeskPorts): WebhookDesk {
  const requireWebhook = (name: WebhookName): Webhook => {
    const webhook = file?.current().find((each) => each.name === name);
    if (webhook !== undefined) return webhook;
    throw new RegistryError('request-invalid', `the WEBHOOKS_FILE of the running server has no webhook ${name}`);
  };
  return {
    order: async (name, action) => {
      requireWebhook(name);
      const id = newId();
      await placeOrder(driver, id, { v: 1, webhook: name, action });
      service?.look();
      return await isCarriedOut(driver, id);
    },
    tryOut: (name) => tryOut(requireWebhook(name), tryOutPorts(config, store), new AbortController().signal),
  };
}

/** An order is deleted when it has been carried out. */
async function isCarriedOut(reader: Pick<StoreReader, 'read'>, id: Incarnation): Promise<boolean> {
  const deadline = performance.now() + ORDER_WITHIN_MS;
  while (performance.now() < deadline) {
    if ((await reader.read(webhookOrderKey(id))) === undefined) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/**
 * Orders something of a webhook for a command: through the running server, or through the store.
 * @returns whether it has been carried out
 * @throws RegistryError `read-only`, `writes-paused`, `request-invalid`; StoreRefused in one line
 */
export async function orderWebhook(
  config: Config,
  reader: StoreReader,
  name: WebhookName,
  action: Action,
): Promise<boolean> {
  await requireWritableStore(config, reader);
  requireStoreOwner(config);
  const isShared = config.redisUrl !== undefined || config.storageDriver !== 'filesystem';
  const server = isShared ? undefined : await ControlClient.connect(resolve(config.storagePath));
  if (server !== undefined) return await server.orderWebhook(name, action);
  const base = silent();
  const opened = await openStore(config, isShared, base);
  try {
    const id = base.newId();
    await placeOrder(opened.driver, id, { v: 1, webhook: name, action });
    return isShared && (await isCarriedOut(opened.driver, id));
  } finally {
    await opened.close();
  }
}

/** Tries a webhook out for a command, from the running server if there is one, since that will deliver. */
export async function tryWebhookOut(config: Config, reader: StoreReader, webhook: Webhook): Promise<Outcome> {
  const isShared = config.redisUrl !== undefined || config.storageDriver !== 'filesystem';
  const server = isShared ? undefined : await ControlClient.connect(resolve(config.storagePath));
  if (server !== undefined) return await server.tryWebhookOut(webhook.name);
  const store = await readFormat(reader);
  if (store === undefined) throw new StoreRefused('there is no store here');
  return await tryOut(webhook, tryOutPorts(config, store), new AbortController().signal);
}
