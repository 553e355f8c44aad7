// A drill without findings proves something only if it detects bugs: it must fail for servers with an injected bug.
import { afterAll, expect, test } from 'bun:test';
import { Random } from '../support/drill/random.ts';
import { cleanUp } from '../support/server.ts';
import { embeddedSite, workAt } from './collecting.ts';
import { INJECTED_BUGS, type InjectedBugName, withInjectedBug } from './injected-bugs.ts';

const OWNERS = 6;
/** Much longer than a start takes. */
const PATIENCE_MS = 15_000;
/** On average about a minute is enough, but each moment is as likely as the next: now and then it takes many times as long. */
const FOUND_WITHIN_MS = 1_500_000;
const WITHIN_MS = FOUND_WITHIN_MS + 400_000;

const seed = process.env.DRILL_SEED ?? String(Date.now());
console.log(`injected bugs: DRILL_SEED=${seed} repeats the choices`);

afterAll(cleanUp);

for (const name of Object.keys(INJECTED_BUGS) as InjectedBugName[]) {
  test(
    `the drill detects an injected bug: ${name}`,
    async () => {
      const begun = performance.now();
      const site = await embeddedSite(withInjectedBug(name));
      const { tally } = await workAt(site, new Random(`${seed} ${name}`), {
        ...{ owners: OWNERS, patience: PATIENCE_MS },
        isEnough: ({ violations }) => violations.length > 0 || performance.now() - begun > FOUND_WITHIN_MS,
      });
      const { violations, late, ...counts } = tally;
      const seconds = Math.round((performance.now() - begun) / 1000);
      console.log(JSON.stringify({ injected: name, seconds, ...counts, late: late.length, first: violations[0] }));
      expect(violations).not.toEqual([]);
    },
    WITHIN_MS,
  );
}
