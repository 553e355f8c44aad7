// The token endpoint, from outside.
import { afterAll, expect, test } from 'bun:test';
import { cleanUp, startServer } from '../support/server.ts';

afterAll(cleanUp);

test('a registry without accounts has no token endpoint', async () => {
  const server = await startServer();
  for (const init of [{}, { method: 'POST', body: new URLSearchParams({ grant_type: 'password' }) }]) {
    const response = await fetch(`${server.url}/token?service=${server.host}&password=hunter2`, init);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errors: [{ message: 'this registry issues no tokens' }] });
  }
  expect((await fetch(`${server.url}/token`, { method: 'DELETE' })).status).toBe(405);
  expect((await fetch(`${server.url}/tokens`)).status).toBe(404);
  await server.stop();
  expect(server.logs()).not.toContain('hunter2');
});
