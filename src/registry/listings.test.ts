import { beforeAll, describe, expect, test } from 'bun:test';
import { openProjection } from '../../test/support/projections.ts';
import { A, CALLER, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { slotsOf, writeLog } from '../../test/support/slots.ts';
import { type AccessPolicy, openAccess } from '../access/access.ts';
import { digestFromHex, digestOf } from '../oci/digest.ts';
import { OCI_MANIFEST } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import type { PageRequest } from './interface.ts';
import { Listings } from './listings.ts';
import { SealedPositions } from './sealed-position.ts';

/** The default and largest page size (DESIGN 9). */
const TAGS_PAGE = 10_000;
const CATALOG_PAGE = 1_000;

const page = (after: string | undefined, limit: number | undefined): PageRequest => ({ after, limit });

const subject = digestOf('sha256', text('subject'));
const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;

describe('tags', () => {
  test('are listed in ASCII order, at most one page', async () => {
    const open = openRegistry();
    const names = Array.from({ length: TAGS_PAGE + 5 }, (_, index) => `t${String(index).padStart(6, '0')}`);
    const events = names.map((name) => ({ type: 'tag.set' as const, tag: tag(name), digest: subject }));
    await writeLog(open.driver, slotsOf([events], A));
    const all = await open.registry.listings.tags(A, page(undefined, 1_000_000));
    expect([all.items.length, all.more]).toEqual([TAGS_PAGE, true]);
    const rest = await open.registry.listings.tags(A, page(all.items[all.items.length - 1], 1_000_000));
    expect([...all.items, ...rest.items]).toEqual(names.map(tag));
    expect(await open.registry.listings.tags(A, page(undefined, 0))).toEqual({ items: [], more: true });
  });

  test('are an error for a repository that does not exist, and an empty list for one without tags', async () => {
    const open = openRegistry();
    expect(await refusalOf(Promise.try(() => open.registry.listings.tags(A, page(undefined, 10))))).toBe(
      'name-unknown',
    );
    await open.push(A, text('x'));
    expect(await open.registry.listings.tags(A, page(undefined, 10))).toEqual({ items: [], more: false });
  });
});

describe('repositories', () => {
  const names = Array.from(
    { length: CATALOG_PAGE * 2 + 10 },
    (_, index) => `r${String(index).padStart(6, '0')}` as RepositoryName,
  );

  const driver = new MemoryDriver();
  beforeAll(async () => {
    for (const repo of names)
      await writeLog(driver, slotsOf([[{ type: 'tag.set', tag: tag('x'), digest: subject }]], repo));
  });

  function catalogOf(access: AccessPolicy) {
    return openRegistry({ driver, access }).registry.listings;
  }

  test('that the caller may not see are removed before paging', async () => {
    const visible = names.filter((_, index) => index % 700 === 699);
    const listings = catalogOf({ ...openAccess, mayList: (_, repo) => visible.includes(repo) });
    expect(await listings.repositories(page(undefined, 2), CALLER)).toEqual({ items: visible, more: false });
    expect(await listings.repositories(page(undefined, 1), CALLER)).toEqual({ items: visible.slice(0, 1), more: true });
    expect(await listings.repositories(page(visible[0], 1), CALLER)).toEqual({ items: visible.slice(1), more: false });
    expect(await listings.repositories(page(undefined, 0), CALLER)).toEqual({ items: [], more: true });
  });

  test('are listed at most one page at a time', async () => {
    const listings = catalogOf(openAccess);
    expect(await listings.repositories(page(undefined, 1_000_000), CALLER)).toEqual({
      items: names.slice(0, CATALOG_PAGE),
      more: true,
    });
    expect(await listings.repositories(page(names[CATALOG_PAGE * 2 - 1], 1_000_000), CALLER)).toEqual({
      items: names.slice(CATALOG_PAGE * 2),
      more: false,
    });
  });

  test('that the caller may see none of are an empty list', async () => {
    const listings = catalogOf({ ...openAccess, mayList: () => false });
    expect(await listings.repositories(page(undefined, 10), CALLER)).toEqual({ items: [], more: false });
  });
});

test('a page of the catalog is bounded in its work, and its link tells nothing of what the caller may not see', async () => {
  const hidden = Array.from({ length: 25_000 }, (_, index) => `secret/${String(index).padStart(6, '0')}`);
  const all = ['a', ...hidden, 'z'].map((name) => name as RepositoryName);
  let asked = 0;
  const positions = new SealedPositions('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  const listings = new Listings({
    positions,
    access: { ...openAccess, mayList: (_, repo) => ++asked > 0 && !repo.startsWith('secret/') },
    projection: {
      ...openRegistry().projection,
      repositories: (after, limit) => {
        const start = after === undefined ? 0 : all.findIndex((each) => each > after);
        return { items: all.slice(start, start + limit), more: start + limit < all.length };
      },
    } satisfies Partial<Projection> as unknown as Projection,
  });
  const seen: string[] = [];
  let pages = 0;
  for (let after: string | undefined; ; pages++) {
    asked = 0;
    const { items, more, resume } = await listings.repositories(page(after, 10), CALLER);
    expect(asked).toBeLessThanOrEqual(11_000);
    seen.push(...items);
    if (!more) break;
    after = resume ?? items[items.length - 1];
    expect(after).not.toContain('secret');
  }
  expect([seen, pages]).toEqual([['a', 'z'], 2]);
  expect(await refusalOf(listings.repositories(page('~made-up', 10), CALLER))).toBe('request-invalid');
});

test('a page takes as many queries whether names that the caller may not see follow or none do', async () => {
  const positions = new SealedPositions('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  async function queriesFor(names: readonly string[], limit: number): Promise<number> {
    let queries = 0;
    const listings = new Listings({
      positions,
      access: { ...openAccess, mayList: (_, repo) => !repo.startsWith('secret/') },
      projection: {
        ...openRegistry().projection,
        repositories: (after, most) => {
          queries++;
          const rest = names.filter((name) => after === undefined || name > after) as RepositoryName[];
          return { items: rest.slice(0, most), more: rest.length > most };
        },
      } satisfies Partial<Projection> as unknown as Projection,
    });
    await listings.repositories(page('r', limit), CALLER);
    return queries;
  }
  for (const limit of [0, 1, 2, 100]) {
    for (const shown of [[], ['z'], ['z', 'zz', 'zzz']]) {
      const hidden = ['secret/a', 'secret/b', 'secret/c', 'secret/d'];
      expect(await queriesFor([...hidden, ...shown], limit)).toBe(await queriesFor(shown, limit));
    }
  }
});

describe('referrers', () => {
  const referrer = (index: number): Digest => digestFromHex('sha256', String(index).padStart(64, '0'));
  const kinds = ['application/x.one', 'application/x.two'];

  async function listingsOf(count: number) {
    const open = openRegistry();
    const events = Array.from({ length: count }, (_, index) => ({
      ...{
        type: 'manifest.put' as const,
        digest: referrer(index),
        size: 1,
        inc,
        mediaType: OCI_MANIFEST,
        subject,
        refs: [],
      },
      artifactType: kinds[index % 2] ?? '',
    }));
    await writeLog(open.driver, slotsOf([events], A));
    return openRegistry({ driver: open.driver }).registry.listings;
  }

  test('are paged by what fits, and none is lost or repeated', async () => {
    const listings = await listingsOf(2500);
    for (const [artifactType, expected] of [
      [undefined, Array.from({ length: 2500 }, (_, index) => referrer(index))],
      [kinds[1], Array.from({ length: 1250 }, (_, index) => referrer(index * 2 + 1))],
      ['application/x.none', []],
    ] as const) {
      const walked: Digest[] = [];
      for (let more = true; more; ) {
        let room = 333;
        const query = { artifactType, after: walked[walked.length - 1], fits: () => room-- > 0 };
        const page = await listings.referrers(A, subject, query, CALLER);
        walked.push(...page.items.map(({ digest }) => digest));
        more = page.more;
      }
      expect(walked).toEqual([...expected]);
    }
  });

  test('are empty for a subject without referrers, and for a repository that does not exist', async () => {
    const listings = await listingsOf(1);
    const query = { artifactType: undefined, after: undefined };
    expect(await listings.referrers(A, referrer(7), { ...query, fits: () => true }, CALLER)).toEqual({
      items: [],
      more: false,
    });
    expect(
      await listings.referrers('no/such' as RepositoryName, subject, { ...query, fits: () => true }, CALLER),
    ).toEqual({
      items: [],
      more: false,
    });
  });

  test('that do not fit are on the next page', async () => {
    const listings = await listingsOf(3);
    const query = { artifactType: undefined, after: undefined };
    expect(await listings.referrers(A, subject, { ...query, fits: () => false }, CALLER)).toEqual({
      items: [],
      more: true,
    });
  });
});

test('a listing after a write includes it, also in another view of the same store', async () => {
  const open = openRegistry();
  await open.push(A, text('x'));
  const other = openProjection(open.driver);
  expect((await other.repositories(undefined, 10)).items).toEqual([A]);
});
