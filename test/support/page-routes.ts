// Every address of the page: the route that it parses to, and the request line that a browser sends.
import fc from 'fast-check';
import type { PageRoute } from '../../src/http/ui/page-route.ts';
import { secondOf } from '../../src/past/moment.ts';
import {
  ASSETS,
  accessAddress,
  actionAddress,
  changesAddress,
  compareAddress,
  HOME,
  homeAddress,
  issuerCallbackAddress,
  issuerLoginAddress,
  jumpAddress,
  LOGIN,
  LOGOUT,
  loginAddress,
  manifestAddress,
  momentAddress,
  newChangesAddress,
  operationsAddress,
  PAST,
  ROBOTS,
  repositoryAddress,
  STORAGE_MAP,
  storageAddress,
  timelineAddress,
} from '../../src/ui/addresses.ts';
import { CHANGE_GROUPS } from '../../src/ui/models/change-groups.ts';
import { TAG_ORDERS } from '../../src/ui/models/tag-order.ts';
import { digests, repositoryNames, tags } from './generators.ts';

/** A request for the page: the inverse of parsePageRoute, by the functions that make the links. */
export function pageRequestOf(page: PageRoute): [method: string, target: string] {
  switch (page.kind) {
    case 'to-home':
      return ['GET', '/ui'];
    case 'home':
      return ['GET', homeAddress(page)];
    case 'jump':
      return ['GET', jumpAddress(page.q)];
    case 'repository':
      return ['GET', repositoryAddress(page.repo, page)];
    case 'manifest':
      return ['GET', manifestAddress(page.repo, page.reference)];
    case 'changes':
      return ['GET', changesAddress(page)];
    case 'new-changes':
      return ['GET', newChangesAddress(page)];
    case 'operations':
      return ['GET', operationsAddress(page.done)];
    case 'order':
      return ['POST', operationsAddress()];
    case 'access':
      return ['GET', accessAddress(page)];
    case 'change-robot':
      return ['POST', ROBOTS];
    case 'compare':
      return ['GET', compareAddress(page)];
    case 'to-past':
      return ['GET', `${PAST}?${new URLSearchParams({ moment: page.moment, named: page.named })}`];
    case 'past-home':
      return ['GET', momentAddress(page.at, page)];
    case 'past-compare':
      return ['GET', momentAddress(page.at) + compareAddress(page).slice(HOME.length)];
    case 'past-repository':
    case 'past-manifest': {
      const { at, repo } = page;
      if (at.kind === 'time') {
        const place = { repo, at };
        return page.kind === 'past-manifest'
          ? ['GET', manifestAddress(place, page.reference)]
          : ['GET', repositoryAddress(place, page)];
      }
      const query =
        page.kind === 'past-repository' ? repositoryAddress(repo, page) : manifestAddress(repo, page.reference);
      return ['GET', momentAddress(at) + query.slice(HOME.length)];
    }
    case 'storage':
      return ['GET', storageAddress(page.repo)];
    case 'storage-map':
      return ['GET', STORAGE_MAP];
    case 'timeline':
      return ['GET', timelineAddress(page.repo, page.before)];
    case 'delete':
    case 'restore':
    case 'tag':
    case 'pin':
    case 'unpin':
      return ['POST', actionAddress(page.repo, page.kind)];
    case 'login-form':
      return ['GET', loginAddress(page.to)];
    case 'issuer-login':
      return ['GET', issuerLoginAddress(page.issuer, page.to)];
    case 'issuer-done':
      return ['GET', `${issuerCallbackAddress(page.issuer)}?${page.answer}`];
    case 'login':
      return ['POST', LOGIN];
    case 'logout':
      return ['POST', LOGOUT];
    case 'asset':
      return ['GET', ASSETS + page.name];
  }
}

const searches = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.trim());
const after = fc.option(repositoryNames, { nil: undefined });
const one = <K extends PageRoute['kind']>(kind: K): fc.Arbitrary<K> => fc.constant(kind);
const issuers = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,9}$/);
const ofRepo = { repo: repositoryNames };
const references = fc.oneof(
  tags.map((tag) => ({ kind: 'tag' as const, tag })),
  digests.map((digest) => ({ kind: 'digest' as const, digest })),
);
const pageMoments = fc.oneof(
  fc
    .integer({ min: 1, max: 1e9 })
    // Eight digits are a day.
    .filter((seq) => String(seq).length !== 8)
    .map((seq) => ({ kind: 'slot' as const, seq })),
  fc.integer({ min: 0, max: Date.UTC(2200, 0) }).map(secondOf),
);

export const pageRoutes: fc.Arbitrary<PageRoute> = fc.oneof(
  fc.record({ kind: one('to-home') }),
  fc.record({ kind: one('home'), q: searches, under: after, sort: fc.constantFrom('name', 'pushed', 'size'), after }),
  fc.record({ kind: one('jump'), q: searches }),
  fc.record({
    ...{ ...ofRepo, kind: one('repository'), sort: fc.constantFrom(...TAG_ORDERS), q: searches },
    ...{ after: fc.nat(), undo: fc.option(fc.nat(), { nil: undefined }) },
  }),
  fc.record({
    ...{ kind: one('changes'), repository: searches, show: fc.constantFrom(...CHANGE_GROUPS) },
    before: fc.option(tags, { nil: undefined }),
  }),
  fc.record({
    ...{ kind: one('new-changes'), repository: searches, show: fc.constantFrom(...CHANGE_GROUPS) },
    since: tags,
  }),
  fc.record({
    ...{ ...ofRepo, kind: one('manifest'), reference: references },
  }),
  fc.record({ kind: one('compare'), a: searches, b: searches, platform: searches }),
  fc.record({ kind: one('to-past'), moment: searches, named: searches }),
  fc.record({ kind: one('past-home'), at: pageMoments, after }),
  fc.record({ kind: one('past-compare'), at: pageMoments, a: searches, b: searches, platform: searches }),
  fc.record({
    ...{ ...ofRepo, kind: one('past-repository'), at: pageMoments, sort: fc.constantFrom(...TAG_ORDERS) },
    ...{ q: searches, after: fc.nat() },
  }),
  fc.record({ ...ofRepo, kind: one('past-manifest'), at: pageMoments, reference: references }),
  fc.record({ kind: one('storage'), repo: after }),
  fc.record({ kind: one('storage-map') }),
  fc.record({ ...ofRepo, kind: one('timeline'), before: fc.option(fc.nat(), { nil: undefined }) }),
  fc.record({ ...ofRepo, kind: fc.constantFrom('delete', 'restore', 'tag', 'pin', 'unpin') }),
  fc.record({
    ...{ kind: one('access'), q: searches, who: searches, repository: searches },
    ...{ action: searches, claims: searches },
  }),
  fc.record({ kind: fc.constantFrom('change-robot', 'order') }),
  fc.record({ kind: one('operations'), done: searches }),
  fc.record({ kind: one('login-form'), to: repositoryNames.map((repo) => repositoryAddress(repo)) }),
  fc.record({ kind: one('login-form'), to: fc.constant(HOME) }),
  fc.record({
    ...{ kind: one('issuer-login'), issuer: issuers },
    to: repositoryNames.map((repo) => repositoryAddress(repo)),
  }),
  fc.record({
    ...{ kind: one('issuer-done'), issuer: issuers },
    answer: fc.record({ code: searches, state: searches }).map((answer) => String(new URLSearchParams(answer))),
  }),
  fc.record({ kind: fc.constantFrom('login', 'logout') }),
  fc.record({ kind: one('asset'), name: fc.stringMatching(/^[a-z]{1,9}-[0-9a-f]{12}\.(css|js)$/) }),
);
