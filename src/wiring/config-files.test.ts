import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { eventually } from '../../test/support/eventually.ts';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import { FileProblem } from '../access/reloaded-file.ts';
import { ConfigError } from '../config.ts';
import { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile } from './config-files.ts';

const path = join(temporaryFolder('config-files'), 'words');
afterAll(cleanUp);

function parse({ WORDS_FILE: text }: { readonly WORDS_FILE: string }): readonly string[] {
  if (text.includes('\n')) throw new FileProblem('line 2: one line is expected');
  if (text === 'defect') throw new TypeError('a defect');
  return text.split(' ');
}

test('each reload of a configuration file is reported in the log and in /metrics', async () => {
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line) => lines.push(line) });
  const telemetry = new Telemetry();
  const changes: (readonly string[])[] = [];
  const open = () =>
    openConfigFile({
      paths: { WORDS_FILE: path },
      parse,
      logger,
      telemetry,
      onChange: (value) => changes.push(value),
      everyMs: 10,
      settleMs: 10,
    });
  const metrics = async () =>
    (await telemetry.render()).split('\n').filter((line) => line.startsWith('marina_config_file'));
  const logged = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

  expect(await metrics()).toEqual([]);
  const refused = await open().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConfigError);
  expect(String(refused)).toStartWith('ConfigError: WORDS_FILE cannot be used: there is no such file');

  writeFileSync(path, 'a b');
  const file = await open();
  const hash = file.hashes.WORDS_FILE;
  expect(await metrics()).toEqual([
    `marina_config_file_info{file="WORDS_FILE",hash="${hash}"} 1`,
    'marina_config_file_current{file="WORDS_FILE"} 1',
    'marina_config_file_reloads_total{file="WORDS_FILE",result="loaded"} 0',
    'marina_config_file_reloads_total{file="WORDS_FILE",result="refused"} 0',
  ]);

  writeFileSync(path, 'hunter2\n');
  await eventually(() => expect(lines).toHaveLength(1));
  expect(logged()[0]).toMatchObject({
    level: 50,
    files: ['WORDS_FILE'],
    reason: `WORDS_FILE=${path} cannot be used: line 2: one line is expected`,
  });
  expect(await metrics()).toEqual([
    `marina_config_file_info{file="WORDS_FILE",hash="${hash}"} 1`,
    'marina_config_file_current{file="WORDS_FILE"} 0',
    'marina_config_file_reloads_total{file="WORDS_FILE",result="loaded"} 0',
    'marina_config_file_reloads_total{file="WORDS_FILE",result="refused"} 1',
  ]);

  writeFileSync(path, 'c');
  await eventually(() => expect(changes).toEqual([['c']]));
  expect(file.value).toEqual(['c']);
  expect(logged()[1]).toMatchObject({ level: 30, hashes: { WORDS_FILE: file.hashes.WORDS_FILE } });
  expect(file.hashes.WORDS_FILE).not.toBe(hash);

  writeFileSync(path, 'defect');
  await eventually(() => expect(lines).toHaveLength(3));
  expect(logged()[2]).toMatchObject({ level: 50, err: { type: 'TypeError', message: 'a defect' } });
  expect(lines.join('')).not.toContain('hunter2');
  file.close();
});
