import { type Config, ConfigError } from '../config.ts';
import { within } from '../system/within.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { addressOfHost, isPublicAddress } from '../webhooks/public-address.ts';
import { resolveName } from '../webhooks/sender.ts';
import type { Webhook } from '../webhooks/webhook.ts';
import { parseWebhooksFile, privateHost } from '../webhooks/webhooks-file.ts';
import { openConfigFile, readConfigFile } from './config-files.ts';

/** How long the start waits for the addresses of names. They are checked again at each connection. */
const NAMES_WITHIN_MS = 5_000;

const parse = ({ WEBHOOKS_FILE: text }: { readonly WEBHOOKS_FILE: string }): readonly Webhook[] =>
  parseWebhooksFile(text);

/**
 * The webhooks of WEBHOOKS_FILE as they are now, for a command.
 * @throws ConfigError in one line, with the place in the file
 */
export async function readWebhooks({ webhooksFile }: Pick<Config, 'webhooksFile'>): Promise<readonly Webhook[]> {
  if (webhooksFile === undefined) throw new ConfigError('WEBHOOKS_FILE is not set: there are no webhooks');
  return await readConfigFile({ paths: { WEBHOOKS_FILE: webhooksFile }, parse });
}

export interface WebhookFile {
  readonly current: () => readonly Webhook[];
  readonly onChange: (changed: () => void) => void;
  readonly close: () => void;
}

/**
 * Reads WEBHOOKS_FILE, and again when it changes. It is called before the store is opened, so that a start with a wrong file changes nothing.
 * @returns undefined if it is not set
 * @throws ConfigError in one line, with the place in the file
 */
export async function openWebhookFile(
  { webhooksFile }: Pick<Config, 'webhooksFile'>,
  { logger, telemetry }: { readonly logger: Logger; readonly telemetry: Telemetry },
): Promise<WebhookFile | undefined> {
  if (webhooksFile === undefined) return undefined;
  let changed = (): void => {};
  const paths = { WEBHOOKS_FILE: webhooksFile };
  const file = await openConfigFile({ paths, parse, logger, telemetry, onChange: () => changed() });
  try {
    await requirePublicNames(webhooksFile, file.value);
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    current: () => file.value,
    onChange: (listener) => {
      changed = listener;
    },
    close: () => file.close(),
  };
}

/** A name that cannot be looked up now may be known later, so only what is known refuses the start. */
async function requirePublicNames(path: string, webhooks: readonly Webhook[]): Promise<void> {
  const names = new Set(
    webhooks.flatMap(({ url, allowPrivate }) =>
      allowPrivate || addressOfHost(url.hostname) !== undefined ? [] : [url.hostname],
    ),
  );
  const addressesOf = async (name: string): Promise<readonly string[]> => await resolveName(name).catch(unknownYet);
  const found = await within(
    NAMES_WITHIN_MS,
    Promise.all([...names].map(async (name) => [name, await addressesOf(name)] as const)),
  );
  for (const [name, addresses] of found ?? [])
    if (addresses.length > 0 && !addresses.some(isPublicAddress))
      throw new ConfigError(`WEBHOOKS_FILE=${path} cannot be used: ${privateHost(name)}`);
}

/** A name without addresses fails at each delivery, with that reason. */
function unknownYet(): readonly string[] {
  return [];
}
