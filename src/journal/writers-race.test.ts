import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Fault, TestClock } from '../../test/support/deterministic.ts';
import { everythingOf, foldOf, REPO } from '../../test/support/slots.ts';
import { type OpenWriter, openWriter, setTags, slotsIn, tagsSetIn } from '../../test/support/writers.ts';
import type { CreateResult, Key } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { encodeBatch, hashSlot } from './events.ts';
import { foldLog } from './log.ts';

/** A store whose every answer comes when the scheduler says so, and some never. */
class SlowDriver extends MemoryDriver {
  readonly #schedule: (what: string) => Promise<unknown>;
  readonly #fault: () => Fault;

  constructor(scheduler: fc.Scheduler, fault: () => Fault) {
    super();
    this.#schedule = (what) => scheduler.schedule(Promise.resolve(), what);
    this.#fault = fault;
  }

  override async create(key: Key, bytes: Uint8Array): Promise<CreateResult> {
    const fault = this.#fault();
    await this.#schedule(`create ${key}`);
    if (fault === 'before writing') throw new Error('no answer');
    const result = await super.create(key, bytes);
    await this.#schedule(`answer ${key}`);
    if (fault === 'after writing') throw new Error('no answer');
    return result;
  }

  override async read(key: Key): Promise<Uint8Array | undefined> {
    await this.#schedule(`read ${key}`);
    return super.read(key);
  }
}

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
        const driver = new SlowDriver(scheduler, () => stream.next().value);
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
