import type { Feed } from '../feed/feed.ts';
import { unreachable } from '../oci/errors.ts';
import { newState, type StateStore, type WebhookState } from './state.ts';
import type { Webhook } from './webhook.ts';

/** How often a cursor is stored that only passed changes which are not for the webhook, in milliseconds. */
const PASSED_EVERY_MS = 10 * 60_000;

export interface ProgressPorts {
  readonly feed: Pick<Feed, 'start'>;
  readonly states: Pick<StateStore, 'get' | 'save'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that is never set back. */
  readonly steadyNow: () => number;
  /** How often the state of a busy webhook is stored, in milliseconds: what was acknowledged since then is delivered again after a crash. */
  readonly saveEvery: number;
}

/** How far a webhook has got, and when that is stored. */
export class Progress {
  readonly #webhook: Webhook;
  readonly #ports: ProgressPorts;
  #state: WebhookState;
  /** What is not stored: `much` would be delivered or counted again after a crash, `little` only read again. */
  #unsaved: 'nothing' | 'little' | 'much' = 'nothing';
  #savedAt = Number.NEGATIVE_INFINITY;

  private constructor(webhook: Webhook, ports: ProgressPorts, state: WebhookState) {
    this.#webhook = webhook;
    this.#ports = ports;
    this.#state = state;
  }

  /** What was stored last. A new webhook begins where its settings say. */
  static async load(webhook: Webhook, ports: ProgressPorts): Promise<Progress> {
    const { states, feed, now } = ports;
    const stored = states.get(webhook.name);
    if (stored !== undefined) return new Progress(webhook, ports, stored);
    const state = newState(await feed.start(webhook.since), now());
    // Where it begins must be durable before anything else happens: what comes after that is promised to it.
    await states.save(webhook.name, state);
    return new Progress(webhook, ports, state);
  }

  get state(): WebhookState {
    return this.#state;
  }

  /** When the state is to be stored, by the steady clock; infinity if nothing has changed since it was. */
  get saveAt(): number {
    const unsaved = this.#unsaved;
    switch (unsaved) {
      case 'nothing':
        return Number.POSITIVE_INFINITY;
      case 'little':
        return this.#savedAt + PASSED_EVERY_MS;
      case 'much':
        return this.#savedAt + this.#ports.saveEvery;
      default:
        return unreachable(unsaved);
    }
  }

  update(state: WebhookState): void {
    this.#state = state;
    this.#unsaved = 'much';
  }

  /** Like `update`, with a state that only passed changes which are not for the webhook. */
  pass(state: WebhookState): void {
    this.#state = state;
    if (this.#unsaved === 'nothing') this.#unsaved = 'little';
  }

  async saveInTime(): Promise<void> {
    if (this.#ports.steadyNow() >= this.saveAt) await this.save();
  }

  /** Stores what has changed. */
  async save(): Promise<void> {
    if (this.#unsaved === 'nothing') return;
    const { states, now, steadyNow } = this.#ports;
    const state = { ...this.#state, storedAt: now() };
    await states.save(this.#webhook.name, state);
    this.#state = state;
    this.#unsaved = 'nothing';
    this.#savedAt = steadyNow();
  }
}
