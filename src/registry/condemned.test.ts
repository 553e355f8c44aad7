import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TestClock } from '../../test/support/deterministic.ts';
import { incarnations } from '../../test/support/generators.ts';
import { GRACE, openRegistry, text } from '../../test/support/registry.ts';
import type { Incarnation } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { mayLink } from './condemned.ts';

describe("the linker's rule", () => {
  async function oldBytes(): Promise<
    ReturnType<typeof openRegistry> & { inc: Incarnation; may: () => Promise<boolean> }
  > {
    const open = openRegistry();
    const inc = open.newIncarnation();
    await open.driver.put(dataKey(inc), text('bytes'));
    open.clock.advance(GRACE / 2 + 1);
    const may = () => mayLink(open.driver, inc, 5, { now: open.clock.now(), grace: GRACE });
    return { ...open, inc, may };
  }

  test('allows young incarnations without reading the store', async () => {
    const clock = new TestClock();
    const { newIncarnation } = openRegistry({ clock });
    const inc = newIncarnation();
    const driver = new MemoryDriver();
    const may = () => mayLink(driver, inc, 5, { now: clock.now(), grace: GRACE });
    expect(await may()).toBe(true);
    clock.advance(GRACE / 2);
    expect(await may()).toBe(true);
    clock.advance(1);
    expect(await may()).toBe(false);
  });

  test('allows old ones that are stored with their length and in no open list', async () => {
    const { driver, inc, may, condemn, newIncarnation } = await oldBytes();
    expect(await may()).toBe(true);
    await condemn(newIncarnation(), newIncarnation());
    expect(await may()).toBe(true);
    await driver.put(dataKey(inc), text('other length'));
    expect(await may()).toBe(false);
  });

  test('refuses old ones that any open list contains', async () => {
    const { driver, inc, may, condemn, newIncarnation } = await oldBytes();
    await condemn(newIncarnation());
    const list = await condemn(inc);
    expect(await may()).toBe(false);
    // A final list without a condemned list belongs to a round that has ended.
    await driver.put(list.replace('condemned', 'final'), (await driver.read(list)) ?? text(''));
    await driver.delete([list]);
    expect(await may()).toBe(true);
  });

  test('reads the lists before it checks the bytes', async () => {
    const { driver, inc, may } = await oldBytes();
    const order: string[] = [];
    const [list, head] = [driver.list.bind(driver), driver.head.bind(driver)];
    driver.list = (prefix) => {
      order.push(`list ${prefix}`);
      return list(prefix);
    };
    driver.head = (key) => {
      order.push(`head ${key}`);
      return head(key);
    };
    await may();
    expect(order).toEqual(['list gc/', `head ${dataKey(inc)}`]);
  });

  test('a list that disappears between its listing and its reading belongs to a round that has ended', async () => {
    const { driver, inc, may, condemn } = await oldBytes();
    await condemn(inc);
    const read = driver.read.bind(driver);
    driver.read = async (key) => (key.endsWith('/condemned') ? undefined : read(key));
    expect(await may()).toBe(true);
  });

  test('finds exactly the incarnations in a list, at any position', async () => {
    const { driver, condemn, clock, newIncarnation } = openRegistry();
    const old = incarnations.filter((inc) => inc < newIncarnation());
    clock.advance(10 * GRACE);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(old, { maxLength: 20 }),
        fc.uniqueArray(old, { maxLength: 5 }),
        async (listed, free) => {
          for (const inc of [...listed, ...free]) await driver.put(dataKey(inc), text('x'));
          const list = await condemn(...listed);
          for (const inc of listed)
            expect(await mayLink(driver, inc, 1, { now: clock.now(), grace: GRACE })).toBe(false);
          for (const inc of free.filter((each) => !listed.includes(each))) {
            expect(await mayLink(driver, inc, 1, { now: clock.now(), grace: GRACE })).toBe(true);
          }
          await driver.delete([list]);
        },
      ),
      { numRuns: 50 },
    );
  }, 300_000);
});
