// How external tools are fetched (scripts/tools), and that `npm test` fetches all of them before the tests that need them.
import { afterAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from './command.ts';
import { eventually } from './eventually.ts';
import { cleanUp, projectRoot, temporaryFolder } from './server.ts';

const ensure = join(projectRoot, 'scripts/tools/ensure.sh');
const library = join(projectRoot, 'scripts/tools/lib.sh');

afterAll(cleanUp);

/** The words of a list in test/run.sh. */
function listOf(name: string): string[] {
  const script = readFileSync(join(projectRoot, 'test/run.sh'), 'utf8');
  const [, words] = new RegExp(`^${name}=\\(([^)]+)\\)`, 'm').exec(script) ?? [];
  if (words === undefined) throw new Error(`test/run.sh has no list called ${name}`);
  return words.trim().split(/\s+/);
}

/** The tools that the sources of these folders request by name. */
function requestedTools(...folders: readonly string[]): string[] {
  const names = new Set<string>();
  for (const folder of folders) {
    for (const file of readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|sh)$/.test(file)) continue;
      const source = readFileSync(join(projectRoot, folder, file), 'utf8');
      for (const [, words = ''] of source.matchAll(/\btools\(('[^)]*)\)/g)) {
        for (const [, name = ''] of words.matchAll(/'([^']+)'/g)) names.add(name);
      }
      for (const [, words = ''] of source.matchAll(/<\(scripts\/tools\/ensure\.sh ([^)]+)\)/g)) {
        for (const name of words.split(' ')) names.add(name);
      }
    }
  }
  return [...names];
}

test('test/run.sh lists every tool that a test, or a script that a test runs, uses', () => {
  const requested = requestedTools('test', 'scripts/container');
  expect(requested.length).toBeGreaterThan(15);
  const named = listOf('tools');
  expect(requested.filter((name) => !named.includes(name))).toEqual([]);
});

test('every path that test/run.sh lists exists', () => {
  const paths = [...listOf('without_tools'), ...listOf('simulations')];
  expect(paths.filter((path) => !existsSync(join(projectRoot, path)))).toEqual([]);
});

test('a tool that test/run.sh has not fetched is refused instead of being built during a test', async () => {
  const { code, stderr } = await attempt([ensure, 'crane', 'oras'], { env: { MARINA_TEST_TOOLS: 'crane' } });
  expect(code).toBe(1);
  expect(stderr).toBe('marina tools: test/run.sh does not list oras among the tools of these tests (crane)\n');
});

test('an unknown tool is reported in one line', async () => {
  const { code, stderr } = await attempt([ensure, 'cranes'], { env: { MARINA_TEST_TOOLS: 'cranes' } });
  expect(code).toBe(1);
  expect(stderr).toBe('marina tools: no tool is called "cranes"; see the table in scripts/tools/lib.sh\n');
});

test('two of the jobs that fetch tools run at a time; one that fails does not stop the others, and fails the whole', async () => {
  const folder = temporaryFolder('jobs');
  const script = `
    source ${library}; cd ${folder}
    job() { touch running-$1; ls running-* | wc -l >>at-once; sleep 0.3; rm running-$1; [[ $1 != 2 ]]; }
    tools_side_by_side 'job 1' 'job 2' 'job 3' 'job 4'
    touch not-reached`;
  expect((await attempt(['bash', '-euo', 'pipefail', '-c', script])).code).toBe(1);
  const counts = readFileSync(join(folder, 'at-once'), 'utf8').trim().split('\n').map(Number);
  expect(counts).toHaveLength(4);
  expect(Math.max(...counts)).toBe(2);
  expect(existsSync(join(folder, 'not-reached'))).toBe(false);
});

test('SIGTERM ends the jobs that fetch tools and removes their partial results', async () => {
  const folder = temporaryFolder('stopped');
  const script = `
    source ${library}; cd ${folder}
    job() { mkdir half-built; tools_leftovers+=(${folder}/half-built); touch begun; sleep 300; }
    tools_side_by_side job`;
  const fetching = Bun.spawn(['bash', '-euo', 'pipefail', '-c', script], { stdin: 'ignore' });
  await eventually(() => expect(existsSync(join(folder, 'begun'))).toBe(true));
  fetching.kill('SIGTERM');
  expect(await fetching.exited).toBe(143);
  await eventually(() => expect(existsSync(join(folder, 'half-built'))).toBe(false));
});
