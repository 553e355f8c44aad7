import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Fault, TestClock } from '../../test/support/deterministic.ts';
import { ScheduledDriver } from '../../test/support/scheduled.ts';
import { everythingOf, foldOf, REPO } from '../../test/support/slots.ts';
import { type OpenWriter, openWriter, setTags, slotsIn, tagsSetIn } from '../../test/support/writers.ts';
import { encodeBatch, hashSlot } from './events.ts';
import { foldLog } from './log.ts';

const WRITERS = [0, 1, 2];
const faults = fc.infiniteStream(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Fault>('none') },
    { weight: 1, arbitrary: fc.constantFrom<Fault>('before writing', 'after writing') },
  ),
);

/** Commands of one writer, each sent once the one before it was answered, or together with it. */
async function work({ writer }: OpenWriter, number: number, together: readonly boolean[]): Promise<void> {
  let open: Promise<unknown>[] = [];
  for (const [index, joins] of together.entries()) {
    open.push(writer.submit(setTags(`w${number}-${index}`)));
    if (joins) continue;
    await Promise.all(open);
    open = [];
  }
  await Promise.all(open);
}

describe('several writers of one log', () => {
  test('whatever the order of answers and however many get lost: each event once, one chain, one state', async () => {
    const plans = fc.tuple(...WRITERS.map(() => fc.array(fc.boolean(), { maxLength: 6 })));
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), faults, plans, async (scheduler, stream, [...plan]) => {
        const driver = new ScheduledDriver(scheduler, () => stream.next().value);
        const clock = new TestClock();
        const open = WRITERS.map((number) => openWriter(driver, clock, number));
        const working = Promise.all(open.map((each, number) => work(each, number, plan[number] ?? [])));
        await scheduler.waitFor(working);
        const reading = Promise.all([tagsSetIn(driver), slotsIn(driver), foldLog(driver, REPO)]);
        await scheduler.waitFor(reading);
        const [tags, batches, { state }] = await reading;
        const sent = plan.flatMap((each, number) => each.map((_, index) => `w${number}-${index}`));
        expect([...tags].sort()).toEqual(sent.sort());
        // Each writer's own commands are in its order.
        for (const number of WRITERS) {
          const own = tags.filter((tag) => tag.startsWith(`w${number}-`));
          expect(own).toEqual((plan[number] ?? []).map((_, index) => `w${number}-${index}`));
        }
        const slots = batches.map((batch) => ({
          batch,
          bytes: encodeBatch(batch),
          hash: hashSlot(encodeBatch(batch)),
        }));
        expect(everythingOf(state)).toEqual(everythingOf(foldOf(slots)));
      }),
    );
  });
});
