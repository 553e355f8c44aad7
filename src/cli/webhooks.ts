import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { type Feed, isAhead, parseSince, SINCE_FORMS } from '../feed/feed.ts';
import { LogFeed } from '../feed/log-feed.ts';
import { PROCESS_TIME } from '../feed/pace.ts';
import { unreachable } from '../oci/errors.ts';
import { readFormat } from '../storage/prepare.ts';
import type { WrittenOrder } from '../webhooks/orders.ts';
import { reportWebhooks, type WebhookReport } from '../webhooks/report.ts';
import type { Outcome } from '../webhooks/sender.ts';
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
  if (action.kind === 'replay') await requireSince(action.since, store, ports.now());
  const isDone = await ports.order(config, store, webhook, action);
  await output.line(
    isDone ? `${name} ${done(action)}` : `stored; ${name} ${done(action)} once a process delivers the webhooks`,
  );
  return EXIT.ok;
}

/** @throws RegistryError for a text that is not a cursor of this store either */
async function requireSince(text: string, store: OpenStore, now: number): Promise<void> {
  const since = parseSince(text);
  if (since === undefined)
    throw new CommandError(EXIT.failed, `--since ${JSON.stringify(text)}: ${SINCE_FORMS} is expected`);
  // A mistyped year would skip everything that has not been delivered yet.
  if (isAhead(since, now)) throw new CommandError(EXIT.failed, `--since ${JSON.stringify(text)} is in the future`);
  if (since.kind === 'cursor') await (await openFeed(store)).start(since);
}

function done(action: Action): string {
  switch (action.kind) {
    case 'pause':
      return 'is paused';
    case 'resume':
      return 'is resumed';
    case 'replay':
      return `gets the changes since ${printable(action.since)}`;
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
  const reports = reportWebhooks(webhooks, { reader: store.reader, feed, now: ports.now });
  for await (const report of reports)
    await (json === true ? output.json(shown(report)) : output.line(readable(report, output)));
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

function shown({ condition, behind, failing, ...report }: WebhookReport): Record<string, unknown> {
  const { name, host, format, totals, cursor } = report;
  return {
    ...{ name, host, format, state: condition },
    behind: { changes: behind.changes, more: behind.isMore, seconds: behind.seconds },
    failing: failing && { ...failing, since: new Date(failing.since).toISOString() },
    totals,
    cursor,
  };
}

const COLOURS: Readonly<Record<WebhookReport['condition'], 'red' | 'yellow' | 'green'>> = {
  failing: 'red',
  paused: 'yellow',
  'not started': 'green',
  delivering: 'green',
  'up to date': 'green',
};

function readable({ name, host, format, condition, behind, totals, failing }: WebhookReport, output: Output): string {
  const parts = [name, output.styled(COLOURS[condition], condition), output.styled('dim', `${format} to ${host}`)];
  if (behind.changes > 0) {
    const changes = `${behind.isMore ? 'at least ' : ''}${count(behind.changes, 'change')}`;
    parts.push(`${changes} behind, the oldest ${behind.seconds.toFixed(0)} s old`);
  }
  if (totals !== undefined) {
    const { delivered, skipped } = totals;
    parts.push(`${delivered} delivered${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }
  if (failing !== undefined) {
    const { since, attempts, reason } = failing;
    parts.push(
      `${count(attempts, 'failure')} since ${formatTime(new Date(since).toISOString())}: ${printable(reason)}`,
    );
  }
  return parts.join('  ');
}
