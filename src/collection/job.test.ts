import { expect, test } from 'bun:test';
import { collectionPorts, never } from '../../test/support/collection.ts';
import { A, bodyOf, CALLER, EXPIRY, openRegistry, text } from '../../test/support/registry.ts';
import { type CollectionJobPorts, collectionJob } from './job.ts';
import { collectionReports } from './report.ts';

function open(changes: Partial<CollectionJobPorts> = {}) {
  const opened = openRegistry();
  const { sessions } = opened;
  const ports = { ...collectionPorts(opened), sessions, enabled: true, onReport: () => {}, ...changes };
  return { ...opened, run: collectionJob(ports) };
}

async function abandonUpload({ registry }: ReturnType<typeof open>): Promise<void> {
  const pusher = { repo: A, caller: CALLER };
  const { id } = await registry.uploads.start(pusher, 'sha256');
  await registry.uploads.append(id, pusher, bodyOf([text('four')]), undefined);
}

test('a requested run ends expired uploads and counts them; a scheduled one leaves them to their own job', async () => {
  const opened = open();
  await abandonUpload(opened);
  await abandonUpload(opened);
  await opened.run('01JA', never);
  expect((await collectionReports.last(opened.driver))?.uploads).toEqual({ sessions: 0, bytes: 0 });
  opened.clock.advance(EXPIRY + 1);
  await opened.run(undefined, never);
  expect((await collectionReports.last(opened.driver))?.uploads).toBeUndefined();
  await opened.run('01JB', never);
  expect((await collectionReports.last(opened.driver))?.uploads).toEqual({ sessions: 2, bytes: 8 });
  expect(await Array.fromAsync(opened.driver.list('uploads/'))).toEqual([]);
});

test('garbage is collected even if uploads cannot be ended, and the report says why not', async () => {
  const phases: string[] = [];
  const { driver, run } = open({ sessions: { expire: () => Promise.reject(new Error('no answer')) } });
  await expect(run('01JA', never, ({ phase }) => void phases.push(phase))).rejects.toThrow('no answer');
  expect(await collectionReports.last(driver)).toMatchObject({
    request: '01JA',
    failed: 'expired uploads could not be ended: no answer',
    uploads: { sessions: 0, bytes: 0 },
  });
  expect(phases).toContain('logs');
});
