import type { Change } from '../feed/change.ts';
import { ALL_CHANGES, type Feed } from '../feed/feed.ts';
import type { StoreReader } from '../storage/driver.ts';
import { loadStates, type WebhookState } from './state.ts';
import type { Webhook } from './webhook.ts';

/** Changes that are counted to show how far a webhook is behind, at most. */
const MAX_COUNTED = 1_000;
const PAGE = 200;

/** `not started`: nothing is stored of it yet. */
export type WebhookCondition = 'not started' | 'paused' | 'failing' | 'up to date' | 'delivering';

/** A webhook of WEBHOOKS_FILE, with what is stored of it. It contains no secret. */
export interface WebhookReport {
  readonly name: string;
  readonly host: string;
  readonly format: string;
  readonly condition: WebhookCondition;
  readonly behind: {
    /** Changes that are not delivered; at least this many if `isMore`. */
    readonly changes: number;
    readonly isMore: boolean;
    /** Age of the oldest. */
    readonly seconds: number;
  };
  /** Failures in a row. @property since milliseconds since 1970 */
  readonly failing: WebhookState['failing'];
  readonly totals: WebhookState['totals'] | undefined;
  readonly cursor: string | undefined;
}

interface ReportPorts {
  readonly reader: Pick<StoreReader, 'list' | 'read'>;
  readonly feed: Pick<Feed, 'page'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * How webhooks are, by what is stored of them: any process can tell.
 * @throws as `loadStates`; errors of the feed
 */
export async function* reportWebhooks(
  webhooks: readonly Webhook[],
  { reader, feed, now }: ReportPorts,
): AsyncGenerator<WebhookReport> {
  const states = await loadStates(reader);
  for (const webhook of webhooks) {
    const state = states.get(webhook.name);
    const { changes, isMore, oldest } = state === undefined ? NOTHING : await behindOf(webhook, state, feed);
    const seconds = oldest === undefined ? 0 : Math.max(0, now() - Date.parse(oldest.time)) / 1000;
    yield {
      ...{ name: webhook.name, host: webhook.url.host, format: webhook.format },
      condition: conditionOf(state, changes),
      behind: { changes, isMore, seconds },
      ...{ failing: state?.failing, totals: state?.totals, cursor: state?.cursor },
    };
  }
}

interface Behind {
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

function conditionOf(state: WebhookState | undefined, behind: number): WebhookCondition {
  if (state === undefined) return 'not started';
  if (state.isPaused) return 'paused';
  if (state.failing !== undefined) return 'failing';
  return behind === 0 ? 'up to date' : 'delivering';
}
