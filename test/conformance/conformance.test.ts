// The official OCI distribution suite against one process with its data in a folder.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { cleanUp } from '../support/server.ts';
import { CONFORMANCE_WITHIN_MS, expectConformance } from './results.ts';

beforeAll(async () => {
  await tools('conformance');
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

test(
  'passes the official conformance suite without a failure and without a skip',
  async () => {
    const folder = await expectConformance();
    expect(await Bun.file(join(folder, 'registry.log')).exists()).toBe(true);
  },
  CONFORMANCE_WITHIN_MS,
);
