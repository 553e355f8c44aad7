// What THREADS may be, and how a start with several threads fails.
import { afterAll, expect, test } from 'bun:test';
import { cleanUp, startServer } from '../support/server.ts';
import { refusal } from './support.ts';

afterAll(cleanUp);

test.each(['two', '-1', '1.5', '257', '2 '])('THREADS=%s is refused in one line', async (value) => {
  expect(await refusal({ THREADS: value })).toBe(
    `marina: THREADS=${value} cannot be used: a number from 0 to 256 is expected\n`,
  );
});

test('a bucket that does not answer is one line, whichever thread finds it first', async () => {
  const errors = await refusal({
    ...{ THREADS: '4', STORAGE_DRIVER: 's3', S3_BUCKET: 'none', S3_ENDPOINT: 'http://127.0.0.1:9' },
    ...{ S3_FORCE_PATH_STYLE: 'true', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
  });
  expect(errors).toMatch(/^marina: [^\n]+\n$/);
});

test('with THREADS=1 nothing says that there are threads', async () => {
  const server = await startServer({ THREADS: '1' });
  expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('marina_thread');
});
