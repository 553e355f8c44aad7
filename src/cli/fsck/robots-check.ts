import { encodeRobotBatch } from '../../access/robots/events.ts';
import { type RobotSlot, readRobotSlot } from '../../access/robots/log.ts';
import { hashSlot, NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { ROBOTS, robotSlotKey } from '../../storage/paths.ts';
import type { Check } from './check.ts';
import type { Problem, Severity } from './findings.ts';
import { problemOf } from './log-check.ts';

/** Reads the whole log of robots and checks that its slots are contiguous, well-formed and chained. */
export async function checkRobots(check: Check): Promise<void> {
  const report = (severity: Severity, problem: Problem, message: string, slot?: number): Promise<void> =>
    check.report({ severity, problem, log: 'robots', ...(slot === undefined ? {} : { slot }), message });
  try {
    await checkSlots(check, report);
  } catch (error) {
    await report('fault', 'log-unreadable', `the log of robots ${problemOf(error)}`);
  }
}

async function checkSlots(
  { reader, tally }: Check,
  report: (severity: Severity, problem: Problem, message: string, slot?: number) => Promise<void>,
): Promise<void> {
  // The listing comes before the first read, so a concurrent change cannot look like a gap.
  let last = 0;
  for await (const { key } of reader.list(ROBOTS)) {
    const seq = Number(key.slice(ROBOTS.length));
    if (seq >= 1 && robotSlotKey(seq) === key) last = Math.max(last, seq);
    else await report('warning', 'foreign-object', `${key} is not a slot`);
  }
  /** Hash of the slot before; undefined if that is missing or unusable. */
  let before: SlotHash | undefined = NO_SLOT;
  for (let seq = 1; ; seq++) {
    let slot: RobotSlot | undefined;
    try {
      slot = await readRobotSlot(reader, seq);
    } catch (error) {
      await report('fault', 'slot-unusable', problemOf(error), seq);
      before = undefined;
      // If nothing can be read, a slot after the last one would also look unusable, without end.
      if (seq > last) return;
      continue;
    }
    if (slot === undefined) {
      if (seq > last) return;
      await report('fault', 'slot-missing', 'it is missing, but later slots exist', seq);
      before = undefined;
      continue;
    }
    tally.slots++;
    if (hashSlot(encodeRobotBatch(slot.batch)) !== slot.hash)
      await report('fault', 'slot-altered', 'its bytes are not the canonical encoding of its content', seq);
    if (before !== undefined && slot.batch.prev !== before)
      await report(
        'fault',
        'chain-broken',
        `its "prev" is not the hash of slot ${seq - 1}: one of the two was altered`,
        seq,
      );
    before = slot.hash;
  }
}
