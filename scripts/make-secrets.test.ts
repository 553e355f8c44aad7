import { afterAll, expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../test/support/command.ts';
import { cleanUp, projectRoot, temporaryFolder } from '../test/support/server.ts';

afterAll(cleanUp);

test.each(['MARINA_PORT=8080\n', 'MARINA_PORT=8080', ''])(
  'an .env with %j is kept and gets one line more',
  async (before) => {
    const folder = temporaryFolder('make-secrets');
    const environment = join(folder, '.env');
    writeFileSync(environment, before);
    await run([join(projectRoot, 'deploy', 'make-secrets.sh'), folder]);
    const kept = before === '' ? [] : ['MARINA_PORT=8080'];
    const lines = [...kept, `MARINA_SECRETS=${folder}/secrets`];
    expect(readFileSync(environment, 'utf8')).toBe(`${lines.join('\n')}\n`);
    expect(statSync(environment).mode & 0o777).toBe(0o600);
  },
);
