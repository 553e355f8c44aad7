import { expect, test } from 'bun:test';
import { join } from 'node:path';

/** Run where few descriptors may be open: takes them all, asks, and asks again when they are free. */
const SCRIPT = `
  import { closeSync, openSync } from 'node:fs';
  import { FileThread } from ${JSON.stringify(join(import.meta.dir, 'file-thread.ts'))};
  const thread = new FileThread();
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null', 'r'));
  } catch {}
  const ask = () => thread.list(['/none']).then(JSON.stringify, (error) => error.code);
  const without = await ask();
  for (const descriptor of held) closeSync(descriptor);
  console.log(without, await ask());
  thread.close();
`;

test('a thread that cannot be started fails who asks, and the process lives', async () => {
  const child = Bun.spawn(['bash', '-c', 'ulimit -n 200 && exec "$0" -e "$1"', process.execPath, SCRIPT], {
    stdout: 'pipe',
    timeout: 30_000,
  });
  expect(await child.stdout.text()).toBe('EMFILE [[]]\n');
  expect(await child.exited).toBe(0);
});
