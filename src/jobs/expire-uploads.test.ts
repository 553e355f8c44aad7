import { expect, test } from 'bun:test';
import { A, ACTOR, bodyOf, EXPIRY, openRegistry, text } from '../../test/support/registry.ts';
import { expireUploads } from './expire-uploads.ts';

test('uploads end at their age, one in use the next time', async () => {
  const { registry, sessions, driver, clock } = openRegistry();
  const pusher = { repo: A, actor: ACTOR };
  const [idle, used] = await Promise.all([0, 1].map(() => registry.uploads.start(pusher, 'sha256')));
  if (idle === undefined || used === undefined) return expect.unreachable();
  for (const { id } of [idle, used]) await registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined);
  const uploads = async (): Promise<string[]> => {
    const ids = new Set<string>();
    for await (const { key } of driver.list('uploads/')) ids.add(key.split('/')[1] ?? '');
    return [...ids];
  };
  const job = expireUploads(sessions, clock.now, EXPIRY);
  const { signal } = new AbortController();
  clock.advance(EXPIRY);
  await job.run(signal);
  expect((await uploads()).sort()).toEqual([idle.id, used.id].sort());
  const lease = await sessions.lease(used.id, { repo: A, actor: ACTOR.id });
  if (typeof lease === 'string') return expect.unreachable();
  clock.advance(1);
  await job.run(signal);
  expect(await uploads()).toEqual([used.id]);
  await lease.release();
  await job.run(signal);
  expect(await uploads()).toEqual([]);
  expect(sessions.count()).toBe(0);
});
