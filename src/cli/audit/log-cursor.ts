import { NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { RegistryError, unreachable } from '../../oci/errors.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { type AuditedLog, type AuditedSlot, nextListed, readAuditedSlot } from './audited-log.ts';
import { ReadAhead, type ReadAheadBudget, type SlotRead } from './read-ahead.ts';

/** A fault in a log. */
export interface AuditFault {
  readonly log: AuditedLog;
  readonly seq: number;
  readonly message: string;
}

export interface CursorPorts {
  readonly reader: StoreReader;
  /** Whether to check the hash chain and the canonical encoding of each slot. Missing slots are always reported. */
  readonly verify: boolean;
  readonly report: (fault: AuditFault) => Promise<void>;
  readonly budget: ReadAheadBudget;
}

/** Reads one log from a given slot on. The time of the next slot is known before the slot is taken. */
export class LogCursor {
  readonly log: AuditedLog;
  readonly #ports: CursorPorts;
  readonly #slots: ReadAhead;
  #seq: number;
  /** Hash of the slot before; undefined if that was not read. */
  #before: SlotHash | undefined;
  #slot: AuditedSlot | undefined;
  #time = Number.NEGATIVE_INFINITY;
  #isEndChecked = false;

  /** @param from the first slot to read */
  constructor(log: AuditedLog, from: number, ports: CursorPorts) {
    this.log = log;
    this.#ports = ports;
    this.#slots = new ReadAhead((seq) => readOnce(ports.reader, log, seq), ports.budget);
    this.#seq = from - 1;
    this.#before = from === 1 ? NO_SLOT : undefined;
  }

  /** Time of the next slot in milliseconds. It never goes back within a log, although the clocks of nodes differ. */
  get time(): number {
    return this.#time;
  }

  /** Moves to the next slot. @returns false if there is none yet */
  async advance(): Promise<boolean> {
    const { budget, verify } = this.#ports;
    const slot = await this.#next();
    if (slot === undefined) return false;
    const fault = (message: string): Promise<void> => this.#ports.report({ log: this.log, seq: slot.seq, message });
    if (verify && this.#before !== undefined && slot.prev !== this.#before)
      await fault(`its "prev" is not the hash of slot ${slot.seq - 1}: one of the two was altered`);
    if (verify && !slot.isCanonical()) await fault('its bytes are not the canonical encoding of its content');
    this.#seq = slot.seq;
    this.#before = slot.hash;
    this.#time = Math.max(this.#time, Date.parse(slot.at));
    this.#slot = budget.held.take(slot.size) ? slot : undefined;
    return true;
  }

  /** The slot that `advance` moved to. Must be called once. */
  async take(): Promise<AuditedSlot> {
    const { budget, reader } = this.#ports;
    const kept = this.#slot;
    this.#slot = undefined;
    if (kept !== undefined) {
      budget.held.give(kept.size);
      return kept;
    }
    const slot = await readAuditedSlot(reader, this.log, this.#seq);
    if (slot === undefined) throw new Error('a slot was deleted while it was audited');
    return slot;
  }

  /** The next usable slot. Unusable ones are reported. */
  async #next(): Promise<AuditedSlot | undefined> {
    for (let seq = this.#seq + 1; ; ) {
      const slot = await this.#read(seq);
      if (typeof slot === 'object') return slot;
      if (slot === 'absent') {
        const later = this.#isEndChecked ? undefined : await nextListed(this.#ports.reader, this.log, seq);
        this.#isEndChecked = true;
        if (later === undefined) return undefined;
        // The slot was appended after it was read.
        if ((await this.#read(seq)) !== 'absent') continue;
        await this.#ports.report({ log: this.log, seq, message: `it is missing, but slot ${later} exists` });
        this.#isEndChecked = false;
        seq = later;
      } else seq++;
      this.#before = undefined;
      this.#seq = seq - 1;
    }
  }

  async #read(seq: number): Promise<AuditedSlot | 'absent' | 'unusable'> {
    const found = await this.#slots.take(seq);
    switch (found.kind) {
      case 'slot':
        return found.slot;
      case 'absent':
        return 'absent';
      case 'unusable':
        await this.#ports.report({ log: this.log, seq, message: found.problem });
        return 'unusable';
      case 'failed':
        throw found.error;
      default:
        return unreachable(found);
    }
  }
}

/** Never rejects, because a slot that is read in advance may never be asked for. */
async function readOnce(reader: StoreReader, log: AuditedLog, seq: number): Promise<SlotRead> {
  try {
    const slot = await readAuditedSlot(reader, log, seq);
    return slot === undefined ? { kind: 'absent' } : { kind: 'slot', slot };
  } catch (error) {
    return error instanceof RegistryError && error.kind === 'log-broken'
      ? { kind: 'unusable', problem: error.message }
      : { kind: 'failed', error };
  }
}

/**
 * The first slot that was written since a time, found by binary search: times in a log increase, except for the clock difference.
 * @param since milliseconds since 1970, less the clock difference
 */
export async function firstSlotSince(reader: StoreReader, log: AuditedLog, since: number): Promise<number> {
  const isBefore = async (seq: number): Promise<boolean> => {
    try {
      const slot = await readAuditedSlot(reader, log, seq);
      return slot !== undefined && Date.parse(slot.at) < since;
    } catch (error) {
      if (error instanceof RegistryError && error.kind === 'log-broken') return false;
      throw error;
    }
  };
  let before = 0;
  let after = 1;
  for (; await isBefore(after); after *= 2) before = after;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (await isBefore(middle)) before = middle;
    else after = middle;
  }
  return after;
}
