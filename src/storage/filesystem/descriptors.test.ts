import { expect, test } from 'bun:test';
import { join } from 'node:path';

/** What is asked of a thread that nobody has started yet. */
const ASKED = {
  'for many files': `
    import { FileThread } from './file-thread.ts';
    const thread = new FileThread();
    const ask = () => thread.list(['/none']).then(JSON.stringify);
  `,
  'that hashes': `
    import { Hasher } from './hasher.ts';
    const thread = new Hasher();
    const descriptor = openSync('/dev/null', 'r');
    const ask = async () => {
      const hash = thread.open('some', 'sha256', descriptor, 0);
      return await hash.digest(0).then((digest) => digest.slice(0, 11)).finally(() => hash.close());
    };
  `,
};

/** Takes all descriptors, asks, and asks again when there are some. */
const SCRIPT = `
  import { closeSync, openSync } from 'node:fs';
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null', 'r'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  const without = await ask().catch(String);
  for (const descriptor of held) closeSync(descriptor);
  console.log(without.includes('EMFILE'), await ask());
  thread.close();
`;

/** Two callers of one folder while there is no descriptor, and two more when there are some again. */
const SYNC_SCRIPT = `
  import { closeSync, openSync } from 'node:fs';
  import { DiskSync } from './disk-sync.ts';
  const diskSync = new DiskSync((reason) => {
    throw new Error('fatal: ' + reason);
  });
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null', 'r'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  const sync = () => diskSync.folder('/tmp').then(() => 'synced', (error) => error.code);
  const without = await Promise.all([sync(), sync()]);
  for (const descriptor of held) closeSync(descriptor);
  console.log(...without, ...(await Promise.all([sync(), sync()])));
`;

test('a folder that could not be opened while a second caller queued is synced again once there are descriptors', async () => {
  expect(await runWithFewDescriptors(SYNC_SCRIPT)).toEqual({ output: 'EMFILE EMFILE synced synced\n', status: 0 });
});

test.each([
  ['for many files', '[[]]'],
  ['that hashes', 'sha256:e3b0'],
] as const)('a thread %s that cannot be started fails who asks, and the process lives', async (kind, answer) => {
  expect(await runWithFewDescriptors(ASKED[kind] + SCRIPT)).toEqual({ output: `true ${answer}\n`, status: 0 });
});

async function runWithFewDescriptors(text: string): Promise<{ output: string; status: number }> {
  const script = text.replace("'./", `'${join(import.meta.dir, '/')}`);
  const child = Bun.spawn(['bash', '-c', 'ulimit -n 200 && exec "$0" -e "$1"', process.execPath, script], {
    stdout: 'pipe',
    timeout: 30_000,
  });
  const output = await child.stdout.text();
  return { output, status: await child.exited };
}
