import type { Command } from 'commander';
import type { Config } from '../config.ts';
import type { Change } from '../feed/change.ts';
import { ALL_CHANGES, type Feed, parseSince, SINCE_FORMS } from '../feed/feed.ts';
import { LogFeed } from '../feed/log-feed.ts';
import { PROCESS_TIME } from '../feed/pace.ts';
import { unreachable } from '../oci/errors.ts';
import { readFormat } from '../storage/prepare.ts';
import type { WrittenOrder } from '../webhooks/orders.ts';
import type { Outcome } from '../webhooks/sender.ts';
import { loadStates, type WebhookState } from '../webhooks/state.ts';
import type { Webhook } from '../webhooks/webhook.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { count, formatTime, type Output, printable } from './output.ts';

type Action = WrittenOrder['action'];

export interface WebhookPorts {
  readonly run: (work: (store: OpenStore, output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  /** Those of WEBHOOKS_FILE. @throws ConfigError */
  readonly read: (config: Config) => Promise<readonly Webhook[]>;
  /** @returns whether it has been carried out; otherwise it is stored, and the process that delivers will do it */
  readonly order: (config: Config, store: OpenStore, webhook: Webhook, action: Action) => Promise<boolean>;
  readonly tryOut: (config: Config, store: OpenStore, webhook: Webhook) => Promise<Outcome>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Changes that are counted to show how far a webhook is behind, at most. */
const MAX_COUNTED = 1_000;
const PAGE = 200;

/** Adds `webhooks` and what can be done with one of them. They can be used while servers run. */
export function addWebhookCommands(marina: Command, ports: WebhookPorts): void {
  const webhooks = marina
    .command('webhooks')
    .description('show the webhooks of WEBHOOKS_FILE: their state, and how far they are behind')
    .option('--json', 'print one JSON object per webhook')
    .action((options: { json?: true }) =>
      ports.run((store, output, config) => listWebhooks(options, { store, output, config }, ports)),
    );
  const ordered = (name: string, action: Action): Promise<void> =>
    ports.run((store, output, config) => order(name, action, { store, output, config }, ports));
  webhooks
    .command('replay')
    .description('deliver all changes since a time once more, and then the following ones')
    .argument('<name>', 'name of the webhook')
    .requiredOption('--since <time>', SINCE_FORMS)
    .action((name: string, { since }: { since: string }) => ordered(name, { kind: 'replay', since }));
  webhooks
    .command('pause')
    .description('deliver nothing until it is resumed; changes older than its maxAge are skipped then')
    .argument('<name>', 'name of the webhook')
    .action((name: string) => ordered(name, { kind: 'pause' }));
  webhooks
    .command('resume')
    .description('deliver again, from where it was paused')
    .argument('<name>', 'name of the webhook')
    .action((name: string) => ordered(name, { kind: 'resume' }));
  webhooks
    .command('test')
    .description(
      'send one delivery about an image that does not exist, and show the answer; exit code 1 if it is not accepted',
    )
    .argument('<name>', 'name of the webhook')
    .action((name: string) =>
      ports.run(async (store, output, config) => {
        const webhook = await requireWebhook(name, config, ports);
        const outcome = await ports.tryOut(config, store, webhook);
        if (outcome.kind === 'failed')
          throw new CommandError(EXIT.negative, `${name} was not accepted: ${outcome.reason}`);
        await output.line(`${name} was accepted: the status ${outcome.status}`);
        return EXIT.ok;
      }),
    );
}

interface Opened {
  readonly store: OpenStore;
  readonly output: Output;
  readonly config: Config;
}

async function order(
  name: string,
  action: Action,
  { store, output, config }: Opened,
  ports: WebhookPorts,
): Promise<ExitCode> {
  const webhook = await requireWebhook(name, config, ports);
  if (action.kind === 'replay') await requireSince(action.since, store);
  const isDone = await ports.order(config, store, webhook, action);
  await output.line(
    isDone ? `${name} ${done(action)}` : `stored; ${name} ${done(action)} once a process delivers the webhooks`,
  );
  return EXIT.ok;
}

/** @throws RegistryError for a text that is not a cursor of this store either */
async function requireSince(text: string, store: OpenStore): Promise<void> {
  const since = parseSince(text);
  if (since === undefined)
    throw new CommandError(EXIT.failed, `--since ${JSON.stringify(text)}: ${SINCE_FORMS} is expected`);
  if (since.kind === 'cursor') await (await openFeed(store)).start(since);
}

function done(action: Action): string {
  switch (action.kind) {
    case 'pause':
      return 'is paused';
    case 'resume':
      return 'is resumed';
    case 'replay':
      return `is delivered again since ${printable(action.since)}`;
    default:
      return unreachable(action);
  }
}

async function requireWebhook(name: string, config: Config, { read }: WebhookPorts): Promise<Webhook> {
  const webhook = (await read(config)).find((each) => each.name === name);
  if (webhook !== undefined) return webhook;
  throw new CommandError(EXIT.negative, `WEBHOOKS_FILE has no webhook ${printable(name)}`);
}

async function listWebhooks(
  { json }: { readonly json?: true },
  { store, output, config }: Opened,
  ports: WebhookPorts,
): Promise<ExitCode> {
  const webhooks = await ports.read(config);
  const feed = await openFeed(store);
  const states = await loadStates(store.reader);
  for (const webhook of webhooks) {
    const state = states.get(webhook.name);
    const behind = state === undefined ? NOTHING : await behindOf(webhook, state, feed);
    await (json === true
      ? output.json(shown(webhook, state, behind, ports.now()))
      : output.line(readable(webhook, state, behind, { output, now: ports.now() })));
  }
  if (webhooks.length === 0 && json !== true) await output.line('there are no webhooks');
  return EXIT.ok;
}

async function openFeed({ reader, place }: OpenStore): Promise<Feed> {
  const store = await readFormat(reader);
  if (store === undefined) throw new CommandError(EXIT.failed, `there is no store in ${place}`);
  // Nobody waits for changes here.
  return new LogFeed({
    driver: reader,
    store,
    doorbell: { listen: () => () => {} },
    time: PROCESS_TIME,
    lookFailed: () => {},
  });
}

/** What a webhook has not delivered. */
interface Behind {
  /** At least this many if `isMore`. */
  readonly changes: number;
  readonly isMore: boolean;
  readonly oldest: Change | undefined;
}

const NOTHING: Behind = { changes: 0, isMore: false, oldest: undefined };

async function behindOf(
  { repositories, events }: Webhook,
  { cursor: from }: WebhookState,
  feed: Pick<Feed, 'page'>,
): Promise<Behind> {
  const filter = { ...ALL_CHANGES, includes: (repo: string) => repositories.matches(repo), types: events };
  const { signal } = new AbortController();
  let behind = NOTHING;
  for (let cursor = from; ; ) {
    const page = await feed.page(cursor, { filter, limit: PAGE, signal });
    behind = {
      changes: behind.changes + page.changes.length,
      isMore: page.more,
      oldest: behind.oldest ?? page.changes[0],
    };
    if (!page.more || behind.changes >= MAX_COUNTED) return behind;
    cursor = page.cursor;
  }
}

function stateOf(state: WebhookState | undefined, behind: Behind): string {
  if (state === undefined) return 'not started';
  if (state.isPaused) return 'paused';
  if (state.failing !== undefined) return 'failing';
  return behind.changes === 0 ? 'up to date' : 'delivering';
}

function lagOf({ oldest }: Behind, now: number): number {
  return oldest === undefined ? 0 : Math.max(0, now - Date.parse(oldest.time)) / 1000;
}

function shown(
  webhook: Webhook,
  state: WebhookState | undefined,
  behind: Behind,
  now: number,
): Record<string, unknown> {
  const { name, url, format } = webhook;
  return {
    ...{ name, host: url.host, format, state: stateOf(state, behind) },
    behind: { changes: behind.changes, more: behind.isMore, seconds: lagOf(behind, now) },
    failing: state?.failing && { ...state.failing, since: new Date(state.failing.since).toISOString() },
    totals: state?.totals,
    cursor: state?.cursor,
  };
}

function readable(
  { name, url, format }: Webhook,
  state: WebhookState | undefined,
  behind: Behind,
  { output, now }: { readonly output: Output; readonly now: number },
): string {
  const word = stateOf(state, behind);
  const parts = [
    name,
    output.styled(word === 'failing' ? 'red' : word === 'paused' ? 'yellow' : 'green', word),
    output.styled('dim', `${format} to ${url.host}`),
  ];
  if (behind.changes > 0) {
    const changes = `${behind.isMore ? 'at least ' : ''}${count(behind.changes, 'change')}`;
    parts.push(`${changes} behind, the oldest ${lagOf(behind, now).toFixed(0)} s old`);
  }
  if (state !== undefined) {
    const { delivered, skipped } = state.totals;
    parts.push(`${delivered} delivered${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }
  if (state?.failing !== undefined) {
    const { since, attempts, reason } = state.failing;
    parts.push(
      `${count(attempts, 'failure')} since ${formatTime(new Date(since).toISOString())}: ${printable(reason)}`,
    );
  }
  return parts.join('  ');
}
