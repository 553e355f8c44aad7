// How long the server takes for each view of a large registry. OVERVIEW_REPOSITORIES=10000 is the size that the issue of the page names.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { ulid } from 'ulid';
import type { RepositoryName } from '../../src/oci/names.ts';
import { formatCompactTime, secondOf, type TimeMoment } from '../../src/past/moment.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import { openDataFolder } from '../../src/storage/filesystem/folder.ts';
import { eventually } from '../support/eventually.ts';
import { nameOf, plantRepositories, plantTags } from '../support/many-repositories.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(600_000);

const REPOSITORIES = Number(process.env.OVERVIEW_REPOSITORIES ?? 300);
const LARGE = 'large/repository' as RepositoryName;
/** Of the large repository. */
const TAGS = REPOSITORIES;
const PUSHES = 30;
/** Milliseconds on an idle machine; a busy one has more time. */
const VIEW_MS = 100;
const PATIENCE = 5;
const RUNS = 9;

const VIEWS = [
  '/ui/',
  '/ui/?sort=size',
  '/ui/?under=team-5',
  '/ui/?q=service-12',
  '/ui/?q=latest',
  '/ui/changes',
  '/ui/storage',
  `/ui/storage?repository=${nameOf(2)}`,
  `/ui/storage?repository=${LARGE}`,
  '/ui/storage/map',
  '/ui/operations',
  `/ui/compare?a=${nameOf(2)}:newest&b=${LARGE}:newest`,
  `/ui/repositories/${nameOf(2)}`,
  `/ui/repositories/${LARGE}`,
  `/ui/repositories/${LARGE}?sort=semver`,
  `/ui/repositories/${LARGE}?q=1.7`,
  `/ui/repositories/${LARGE}/-/timeline`,
  '/ui/at/then/',
  `/ui/at/then/?after=${nameOf(50)}`,
  `/ui/at/then/repositories/${nameOf(100)}`,
  `/ui/at/then/repositories/${LARGE}`,
  `/ui/at/then/repositories/${LARGE}?q=1.7`,
  // As the links to look back lead to: seconds that are not over.
  '/ui/at/now/',
  `/ui/at/now/repositories/${nameOf(2)}`,
  `/ui/at/now/repositories/${nameOf(2)}:newest`,
  `/ui/at/now/repositories/${LARGE}`,
];

let server: Server;
/** A moment that is over, after most was planted. */
let then: TimeMoment;
beforeAll(async () => {
  const root = temporaryFolder('large');
  const fatal = (reason: string, cause?: unknown): never => {
    throw new Error(reason, { cause });
  };
  const folder = await openDataFolder(root, {
    ...{ shared: false, uniqueName: () => ulid(), now: Date.now, reach: noCrash, fatal },
  });
  await plantRepositories(folder.driver, REPOSITORIES);
  await plantTags(folder.driver, LARGE, TAGS);
  await folder.close();
  then = secondOf(Date.now() - 90_000);
  server = await startServer({ STORAGE_PATH: root, THREADS: '1' });
  for (let push = 0; push < PUSHES; push++)
    await pushImage(server.url, `new/app-${push % 5}`, image(), `build-${push}`);
  // Of planted images there are no bytes. The page of a repository shows the manifest of its newest tag.
  for (const repo of [LARGE, nameOf(2)]) await pushImage(server.url, repo, image(), 'newest');
  await eventually(async () => {
    const totals = await (await fetch(`${server.url}/api/v1/totals`)).json();
    expect(totals).toMatchObject({ isComplete: true, repositories: REPOSITORIES + 6 });
  }, 300_000);
});
afterAll(cleanUp);

/** Milliseconds that the main thread of a process has run, so far. */
function workOf(pid: number): number {
  const [nanoseconds = ''] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

test.each(VIEWS)('%s is served in time', async (view) => {
  const times: number[] = [];
  let bytes = 0;
  let worked = 0;
  for (let run = 0; run < RUNS; run++) {
    const moment = view.includes('/at/then/') ? then : secondOf(Date.now());
    const address = view.replace(/\/at\/(?:then|now)\//, `/at/${formatCompactTime(moment)}/`);
    const before = workOf(server.process.pid);
    const begin = performance.now();
    const response = await fetch(server.url + address, { headers: { accept: 'text/html' } });
    bytes = (await response.bytes()).length;
    times.push(performance.now() - begin);
    if (run === 0) worked = workOf(server.process.pid) - before;
    expect(response.status).toBe(200);
  }
  const [first = 0] = times;
  times.sort((one, other) => one - other);
  const median = times[Math.floor(RUNS / 2)] ?? Number.POSITIVE_INFINITY;
  const others = `first ${first.toFixed(1)} (${worked.toFixed(1)} of the processor), at most ${times.at(-1)?.toFixed(1)}`;
  console.log(`${view}: ${median.toFixed(1)} ms, ${others}; ${Math.round(bytes / 1024)} KiB`);
  expect(median).toBeLessThan(VIEW_MS * PATIENCE);
  // The first time too, when nothing is remembered and nothing is compiled. Others do not count: the machine may be busy.
  expect(worked).toBeLessThan(VIEW_MS * PATIENCE);
});
