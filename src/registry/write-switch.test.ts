import { describe, expect, test } from 'bun:test';
import { refusalOf, text } from '../../test/support/registry.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { READ_ONLY_SWITCH } from '../storage/paths.ts';
import { readSwitch, turnSwitch, type WriteState, WriteSwitch } from './write-switch.ts';

const NOW = Date.parse('2026-01-31T08:00:00.000Z');

async function openSwitch(driver = new MemoryDriver(), isReadOnly = false) {
  const changes: WriteState[] = [];
  const writes = await WriteSwitch.open({
    driver,
    isReadOnly,
    now: () => NOW,
    onChange: (state) => changes.push(state),
  });
  return { driver, writes, changes };
}

describe('the switch', () => {
  test('is stored in the store, so another process reads it, and so does one that starts later', async () => {
    const { driver, writes, changes } = await openSwitch();
    const other = await openSwitch(driver);
    expect([writes.state, other.writes.state, await readSwitch(driver)]).toEqual(['writable', 'writable', undefined]);
    await writes.turn(true);
    expect([writes.state, other.writes.state]).toEqual(['paused', 'writable']);
    await other.writes.look();
    expect([other.writes.state, (await openSwitch(driver)).writes.state]).toEqual(['paused', 'paused']);
    expect((await readSwitch(driver))?.since).toBe('2026-01-31T08:00:00.000Z');
    await other.writes.turn(false);
    await writes.look();
    expect([writes.state, await readSwitch(driver)]).toEqual(['writable', undefined]);
    expect([changes, other.changes]).toEqual([
      ['paused', 'writable'],
      ['paused', 'writable'],
    ]);
  });

  test('turned on twice keeps its first time, and turned off twice is off', async () => {
    const { driver } = await openSwitch();
    await turnSwitch(driver, true, NOW);
    await turnSwitch(driver, true, NOW + 1000);
    expect((await readSwitch(driver))?.since).toBe('2026-01-31T08:00:00.000Z');
    await turnSwitch(driver, false, NOW);
    await turnSwitch(driver, false, NOW);
    expect(await readSwitch(driver)).toBeUndefined();
  });

  test('is read again by a look that must not share a read in progress', async () => {
    const { driver, writes } = await openSwitch();
    const { read } = driver;
    const first = Promise.withResolvers<undefined>();
    driver.read = () => first.promise;
    const early = writes.look();
    driver.read = read;
    await turnSwitch(driver, true, NOW);
    const again = [writes.lookAgain(), writes.lookAgain()];
    first.resolve(undefined);
    await early;
    expect(writes.state).toBe('writable');
    await Promise.all(again);
    expect(writes.state).toBe('paused');
  });

  test('that cannot be decoded is on', async () => {
    const { driver, writes } = await openSwitch();
    await driver.put(READ_ONLY_SWITCH, text('{"si'));
    await writes.look();
    expect([writes.state, (await readSwitch(driver))?.since]).toEqual(['paused', 'unknown']);
  });

  test('keeps its state while the store does not answer', async () => {
    const { driver, writes } = await openSwitch();
    await writes.turn(true);
    const { read } = driver;
    driver.read = () => Promise.reject(new Error('no answer'));
    expect(await writes.look().catch(String)).toBe('Error: no answer');
    expect(writes.state).toBe('paused');
    driver.read = read;
  });

  test('stops work while it is on, but not work that begins after it is off', async () => {
    const { writes } = await openSwitch();
    const before = writes.stopped;
    await writes.turn(true);
    expect([before.aborted, writes.stopped.aborted]).toEqual([true, true]);
    await writes.turn(false);
    expect([before.aborted, writes.stopped.aborted]).toEqual([true, false]);
  });

  test('has no effect if READ_ONLY is set', async () => {
    const { driver, writes } = await openSwitch(undefined, true);
    expect([writes.state, writes.stopped.aborted]).toEqual(['read-only', true]);
    expect(await refusalOf(writes.turn(false))).toBe('request-invalid');
    await turnSwitch(driver, true, NOW);
    await writes.look();
    expect(writes.state).toBe('read-only');
  });
});

describe('the switch of a replica', () => {
  const source = 'https://primary.example';

  function openReplica(redirects: boolean, isReplica: () => Promise<boolean>, driver = new MemoryDriver()) {
    const replica = { source, redirects, isReplica };
    return WriteSwitch.open({ driver, isReadOnly: false, replica, now: () => NOW, onChange: () => {} });
  }

  test('refuses writes with a message that names the source, or sends them there', async () => {
    for (const [redirects, kind] of [
      [false, 'replica'],
      [true, 'elsewhere'],
    ] as const) {
      const writes = await openReplica(redirects, async () => true);
      expect([writes.state, writes.stopped.aborted]).toEqual(['replica', true]);
      expect(writes.refusal('replica')).toMatchObject({
        kind,
        message: `this registry is a replica of ${source}: push and delete there`,
        detail: { primary: source },
      });
      expect(() => writes.requireWritable()).toThrow(source);
    }
  });

  test('stays so whatever the operator switches, until the store was promoted; then never again', async () => {
    let isReplica = true;
    const driver = new MemoryDriver();
    const writes = await openReplica(false, async () => isReplica, driver);
    await writes.turn(false);
    await writes.look();
    expect(writes.state).toBe('replica');
    await writes.turn(true);
    isReplica = false;
    await writes.look();
    expect([writes.state, writes.stopped.aborted]).toEqual(['paused', true]);
    await writes.turn(false);
    isReplica = true;
    await writes.look();
    expect([writes.state, writes.stopped.aborted]).toEqual(['writable', false]);
  });

  test('is not opened if the store does not say whether it is one', async () => {
    await expect(openReplica(false, () => Promise.reject(new Error('no answer')))).rejects.toThrow('no answer');
  });
});
