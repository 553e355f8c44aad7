// log: events for people and as JSON, from a slot on, and live; history of a tag.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectStatus, image, pushBlob, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { follow, SOON_MS } from './following.ts';
import { eventsOf, linesOf, marina, marinaCommand } from './marina.ts';
import { APP, MANY, MANY_SLOTS, makeStore, OTHER, type Store } from './store.ts';

const LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2} +\d+ {2}anonymous {2}[a-z]+\.[a-z]+ {2,}\S/;
let store: Store;

beforeAll(async () => {
  store = await makeStore();
});
afterAll(cleanUp);

test('every event is one aligned line with shortened digests', async () => {
  const { code, lines, stderr } = await marina(store.dataPath, 'log', APP);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const line of lines) expect(line).toMatch(LINE);
  const [, short] = /(sha256:[0-9a-f]{12})/.exec(store.second.descriptor.digest) ?? [];
  expect(
    lines.some((line) =>
      line.endsWith(`tag.set           v1 -> ${short} (was ${shortOf(store.first.descriptor.digest)})`),
    ),
  ).toBeTrue();
  expect(lines.join('\n')).not.toContain(store.first.descriptor.digest);
  expect(lines.some((line) => line.includes(`${shortOf(store.loose.descriptor.digest)} 2.0 KiB`))).toBeTrue();
});

test('--full shows whole digests', async () => {
  const { stdout } = await marina(store.dataPath, 'log', APP, '--full');
  expect(stdout).toContain(`v1 -> ${store.second.descriptor.digest} (was ${store.first.descriptor.digest})`);
});

test('--json prints the fields of the slot with each event', async () => {
  const events = await eventsOf(store.dataPath, OTHER);
  expect(events.map(({ seq, event }) => [seq, event.type])).toEqual([
    [1, 'blob.linked'],
    [2, 'blob.linked'],
    [3, 'blob.linked'],
    [4, 'manifest.put'],
    [4, 'tag.set'],
  ]);
  const [first] = events;
  expect(Object.keys(first ?? {}).sort()).toEqual(['at', 'batch', 'event', 'node', 'prev', 'repo', 'seq', 'v']);
  expect(first).toMatchObject({ repo: OTHER, event: { actor: 'anonymous' } });
});

test('--from begins with that slot; beyond the last one nothing is printed', async () => {
  const { lines } = await marina(store.dataPath, 'log', MANY, '--from', String(MANY_SLOTS));
  expect(lines).toEqual([expect.stringContaining(`t${MANY_SLOTS} -> `)]);
  expect(await marina(store.dataPath, 'log', MANY, '--from', '9999')).toMatchObject({ code: 0, stdout: '' });
});

test('no escape codes are printed without a terminal, even if colours are requested', async () => {
  const colored = Bun.spawn([...marinaCommand, 'log', APP], {
    env: { ...process.env, STORAGE_PATH: store.dataPath, FORCE_COLOR: '1' },
  });
  const text = await new Response(colored.stdout).text();
  expect(linesOf(text).length).toBeGreaterThan(10);
  expect(text).not.toContain('\x1b');
});

test('it ends cleanly when its reader closes the pipe', async () => {
  const script = '"$@" | head -n 1; echo $PIPESTATUS';
  // More than a pipe holds, so that it cannot end before its reader.
  const piped = Bun.spawn(['bash', '-c', script, 'bash', ...marinaCommand, 'log', MANY, '--json'], {
    env: { ...process.env, STORAGE_PATH: store.dataPath },
    stderr: 'pipe',
  });
  const [said, errors] = await Promise.all([new Response(piped.stdout).text(), new Response(piped.stderr).text()]);
  const [first = '', status] = linesOf(said);
  expect([JSON.parse(first), status]).toEqual([expect.objectContaining({ repo: MANY, seq: 1 }), '141']);
  expect(errors).toBe('');
});

test('whatever it prints, a command whose reader is gone ends without a word, as SIGPIPE ends other programs', async () => {
  // The command begins once nothing can be written any more.
  const script = `{ trap '' PIPE; while echo; do sleep 0.01; done 2>/dev/null; trap - PIPE; "$@"; } | true; echo $PIPESTATUS`;
  const commands = [['history', APP, 'v1'], ['log', '--all'], ['audit', '--verify'], ['fsck'], ['pins']];
  for (const args of commands) {
    const piped = Bun.spawn(['bash', '-c', script, 'bash', ...marinaCommand, ...args], {
      env: { ...process.env, STORAGE_PATH: store.dataPath },
      stderr: 'pipe',
    });
    const [said, errors] = await Promise.all([new Response(piped.stdout).text(), new Response(piped.stderr).text()]);
    expect([args, said, errors]).toEqual([args, '141\n', '']);
  }
});

test('--follow shows a push as it happens, and ends cleanly on an interrupt', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('follow') });
  const before = image();
  await pushImage(server.url, 'live/app', before, 'v1');
  const following = follow(server, 'log', 'live/app', '--follow');
  await following.until((seen) => seen.includes('v1 -> '));
  const pushed = image();
  await pushImage(server.url, 'live/app', pushed, 'v2');
  await following.until((seen) => seen.includes(`v2 -> ${shortOf(pushed.descriptor.digest)}`));
  expect(await following.interrupt()).toBe(0);
  expect(following.errors()).toBe('');
  // The other commands work beside a server, too.
  expect((await marina(server.dataPath, 'history', 'live/app', 'v2')).lines).toHaveLength(1);
  expect(await server.stop()).toBe(0);
});

test('--follow waits for a repository that does not exist yet, and a server can start in the meantime', async () => {
  const settings = { STORAGE_PATH: temporaryFolder('waiting') };
  const first = await startServer(settings);
  await first.stop();
  const following = follow(first, 'log', 'new/app', '--follow', '--json', '--from', '2');
  await following.until(() => following.errors().includes('waiting for its first slot'));
  const server = await startServer(settings);
  for (const size of [10, 20]) await pushBlob(server.url, 'new/app', randomBlob(size));
  await following.until((seen) => seen.includes('\n'));
  expect(JSON.parse(following.seen())).toMatchObject({ seq: 2, event: { type: 'blob.linked', size: 20 } });
  expect(await following.interrupt()).toBe(0);
  expect(await server.stop()).toBe(0);
});

test('--follow ends cleanly when its reader closes the pipe', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('gone') });
  const pushed = image();
  await pushImage(server.url, 'live/app', pushed, 'v1');
  const script = '"$@" | head -n 1 >/dev/null; echo $PIPESTATUS';
  const piped = Bun.spawn(['bash', '-c', script, 'bash', ...marinaCommand, 'log', 'live/app', '--follow'], {
    env: { ...process.env, STORAGE_PATH: server.dataPath },
    stderr: 'pipe',
  });
  // Only a write reveals that the reader is gone.
  const deadline = Date.now() + SOON_MS;
  for (let tag = 2; piped.exitCode === null && Date.now() < deadline; tag++) {
    await pushManifest(server.url, 'live/app', pushed, `v${tag}`);
    await Bun.sleep(50);
  }
  expect(await new Response(piped.stdout).text()).toBe('141\n');
  expect(await new Response(piped.stderr).text()).toBe('');
});

test('history lists every value of a tag, and its deletion', async () => {
  const { code, lines, stdout } = await marina(store.dataPath, 'history', APP, 'v1');
  expect(code).toBe(0);
  expect(stdout).not.toContain('\x1b');
  const { first, second } = store;
  expect(lines.map((line) => line.split('  ').at(-1))).toEqual([
    first.descriptor.digest,
    second.descriptor.digest,
    `deleted with its manifest, was ${second.descriptor.digest}`,
  ]);
  for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2} +\d+ {2}anonymous {2}/);
});

test('history as JSON, with its slots', async () => {
  const history = async (tag: string) =>
    (await marina(store.dataPath, 'history', APP, tag, '--json')).lines.map((line) => JSON.parse(line));
  const events = await eventsOf(store.dataPath, APP);
  const slotsOf = (tag: string) => events.filter(({ event }) => event.tag === tag).map(({ seq }) => seq);
  const { digest } = store.first.descriptor;
  const v2 = await history('v2');
  expect(v2).toEqual([
    expect.objectContaining({ repo: APP, tag: 'v2', action: 'set', digest, actor: 'anonymous' }),
    expect.objectContaining({ action: 'deleted', digest }),
  ]);
  expect(v2.map(({ seq }) => seq)).toEqual(slotsOf('v2'));
  expect(v2[1]).not.toHaveProperty('with');
  expect(await history('gone')).toEqual([
    expect.objectContaining({ action: 'set', digest: store.second.descriptor.digest }),
    expect.objectContaining({ action: 'deleted', with: 'manifest' }),
  ]);
});

test('slots of older versions, whose actors have an address, are shown, folded and appended to', async () => {
  const settings = { STORAGE_PATH: temporaryFolder('older') };
  const server = await startServer(settings);
  const pushed = image({ layers: [] });
  await pushImage(server.url, 'old/app', pushed, 'v1');
  expect(await server.stop()).toBe(0);
  // The last slot is the one whose hash no other slot contains.
  const folder = join(settings.STORAGE_PATH, 'repos/old/app/_log');
  const last = join(folder, readdirSync(folder).sort().at(-1) ?? '');
  const written = readFileSync(last, 'utf8');
  expect(written).toContain('"actor":"anonymous"');
  writeFileSync(last, written.replaceAll('"actor":"anonymous"', '"actor":"anonymous@192.0.2.7"'));
  const { lines } = await marina(settings.STORAGE_PATH, 'log', 'old/app');
  expect(lines.filter((line) => line.includes('  anonymous@192.0.2.7  ')).length).toBe(2);
  const again = await startServer(settings);
  await expectStatus(200, `${again.url}/v2/old/app/manifests/v1`);
  await pushManifest(again.url, 'old/app', pushed, 'v2');
  const { stdout } = await marina(settings.STORAGE_PATH, 'history', 'old/app', 'v1', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ action: 'set', actor: 'anonymous@192.0.2.7' });
  expect(await again.stop()).toBe(0);
  expect((await marina(settings.STORAGE_PATH, 'fsck')).code).toBe(0);
});

test('a tag or a repository that never existed is reported in one line', async () => {
  const cases: [args: string[], message: string][] = [
    [['history', APP, 'nope'], `marina: ${APP} never had a tag nope`],
    [['history', 'no/such', 'v1'], 'marina: there is no repository no/such in '],
    [['log', 'no/such'], 'marina: there is no repository no/such in '],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await marina(store.dataPath, ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(linesOf(stderr)).toEqual([expect.stringContaining(message)]);
  }
});

function shortOf(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

test('--all shows the changes of all repositories in the order of the feed, and follows them', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('follow-all') });
  const pushed = image();
  await pushImage(server.url, 'team/one', pushed, 'v1');
  await pushImage(server.url, 'team/two', pushed, 'v1');
  const following = follow(server, 'log', '--all', '--follow');
  await following.until((seen) => linesOf(seen).filter((line) => line.includes('tag.set')).length === 2);
  await pushManifest(server.url, 'team/one', pushed, 'live');
  await following.until((seen) => seen.includes('live -> sha256:'));
  expect(await following.interrupt()).toBe(0);
  expect(linesOf(following.seen())[0]).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}team\/one@1\.0 +anonymous +blob\.linked +sha256:/,
  );
  const tags = await marina(server.dataPath, 'log', '--all', '--json', '--type', 'tag.set', '--repo', 'team/*');
  expect(tags.lines.map((line) => JSON.parse(line)).map(({ repository, tag }) => [repository, tag])).toEqual([
    ['team/one', 'v1'],
    ['team/two', 'v1'],
    ['team/one', 'live'],
  ]);
  expect((await marina(server.dataPath, 'log', '--all', '--since', 'now')).lines).toEqual([]);
  for (const wrong of [
    ['--since', 'forged'],
    ['--since', '2026-02-30'],
    ['--type', 'x'],
    ['--repo', '['],
    ['team/one'],
  ]) {
    const { code, stderr } = await marina(server.dataPath, 'log', '--all', ...wrong);
    expect([wrong, code > 0, linesOf(stderr).length]).toEqual([wrong, true, 1]);
  }
  expect(await marina(server.dataPath, 'log')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
  await server.stop();
});
