// The contract of every projection: its answers are those of a simple model, whatever commands were submitted.
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { accept, refuse } from '../../src/journal/command.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import type { InRepository, Page, Projection } from '../../src/projection/projection.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';
import { commandOf, FEW, operations } from '../support/generators.ts';
import { History } from '../support/history.ts';
import { REPOSITORIES } from '../support/projections.ts';

export interface OpenedProjection {
  readonly projection: Projection;
  /** A fresh projection on the same store. */
  reopen(): Promise<Projection>;
  close(): Promise<void>;
}

/** The expected page of these. */
function pageOf<T extends string>(all: readonly T[], after: string | undefined, limit: number): Page<T> {
  const left = all.filter((each) => after === undefined || each > after);
  return { items: left.slice(0, limit), more: left.length > limit };
}

/** The acknowledged events of each repository, and the answers that follow from them. */
class Model {
  readonly #histories = new Map(REPOSITORIES.map((repo) => [repo, new History()]));

  of(repo: RepositoryName): History {
    return this.#histories.get(repo) ?? expect.unreachable();
  }

  repositories(): RepositoryName[] {
    return REPOSITORIES.filter((repo) => this.of(repo).exists).sort();
  }
}

function inRepository<T>(history: History, value: T): InRepository<T> {
  return history.exists ? { kind: 'known', value } : { kind: 'unknown' };
}

function found(history: History, digest: Digest | undefined): unknown {
  const record = digest === undefined ? undefined : history.manifest(digest);
  return record === undefined ? undefined : { digest, record };
}

async function compareRepository(projection: Projection, repo: RepositoryName, history: History): Promise<void> {
  for (const tag of FEW.tags) {
    const expected = inRepository(history, found(history, history.tag(tag)));
    expect<unknown>(await projection.manifestByTag(repo, tag)).toEqual(expected);
  }
  for (const digest of FEW.manifests) {
    const expected = inRepository(history, found(history, digest));
    expect<unknown>(await projection.manifestByDigest(repo, digest)).toEqual(expected);
  }
  for (const digest of FEW.blobs) {
    expect(await projection.blob(repo, digest)).toEqual(inRepository(history, history.blob(digest)));
    const link = history.blob(digest);
    const use = link === undefined ? undefined : { link, references: history.references(digest) };
    expect(await projection.blobUse(repo, digest)).toEqual(inRepository(history, use));
  }
}

/** Every page of every size, from every position and from some between them. */
async function comparePages(projection: Projection, repo: RepositoryName, history: History): Promise<void> {
  const tags = history.tagNames();
  for (const after of [undefined, '', '0', 'V', 'm', '~', ...tags]) {
    for (const limit of [0, 1, 2, 5, 100]) {
      const expected = inRepository(history, pageOf(tags, after, limit));
      expect(await projection.tags(repo, after, limit)).toEqual(expected);
    }
  }
  for (const subject of FEW.manifests) {
    for (const artifactType of [undefined, 'application/x.one', 'application/x.two', 'application/x.none']) {
      const digests = history.referrers(subject).filter((digest) => {
        return artifactType === undefined || history.manifest(digest)?.artifactType === artifactType;
      });
      for (const after of [undefined, ...FEW.manifests, ...FEW.blobs]) {
        for (const limit of [0, 1, 100]) {
          const { items, more } = pageOf(digests, after, limit);
          const expected = { items: items.map((digest) => found(history, digest)), more };
          const query = { artifactType, after };
          expect<unknown>(await projection.referrers(repo, subject, query, limit)).toEqual(expected);
        }
      }
    }
  }
}

async function compareCatalog(projection: Projection, model: Model): Promise<void> {
  for (const after of [undefined, '', 'a', 'a.', 'zz', ...REPOSITORIES]) {
    for (const limit of [0, 1, 2, 100]) {
      expect(await projection.repositories(after, limit)).toEqual(pageOf(model.repositories(), after, limit));
    }
  }
}

const steps = fc.array(fc.tuple(fc.constantFrom(...REPOSITORIES), operations, fc.boolean()), { maxLength: 30 });

export function projectionContract(name: string, open: (clock: TestClock) => Promise<OpenedProjection>): void {
  describe(`projection in ${name}`, () => {
    const clock = new TestClock();
    const newIncarnation = countingIncarnations(clock.now);
    const opened: OpenedProjection[] = [];
    let current: OpenedProjection;
    const openFresh = async (): Promise<OpenedProjection> => {
      current = await open(clock);
      opened.push(current);
      return current;
    };
    beforeEach(openFresh);
    afterAll(async () => {
      for (const each of opened) await each.close();
    });
    const [repo] = REPOSITORIES as [RepositoryName];
    const [digest] = FEW.manifests as [Digest];
    const tagged = (tag: string): JournalEvent => ({ type: 'tag.set', tag: tag as Tag, digest });

    test('a repository that one batch deletes and recreates exists', async () => {
      await current.projection.submit(repo, { decide: () => accept(undefined, tagged('a')) });
      const again = accept(undefined, { type: 'repo.deleted' }, tagged('b'));
      await current.projection.submit(repo, { decide: () => again });
      const tags = { items: ['b' as Tag], more: false };
      expect(await current.projection.tags(repo, undefined, 10)).toEqual({ kind: 'known', value: tags });
    });

    test('answers like the model after any commands, page by page, and so does a fresh one', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (some) => {
          const { projection, reopen } = await openFresh();
          const model = new Model();
          for (const [where, operation, look] of some) {
            clock.advance(1000);
            let events: readonly JournalEvent[] = [];
            const command = commandOf(operation, newIncarnation, (decided) => {
              events = decided;
            });
            const acknowledged = await projection.submit(where, command).then(
              () => true,
              (error: unknown) => {
                if (error instanceof RegistryError) return false;
                throw error;
              },
            );
            if (acknowledged) model.of(where).add(events, clock.now());
            await compareRepository(projection, where, model.of(where));
            if (look) await compareCatalog(projection, model);
          }
          for (const each of [projection, await reopen()]) {
            for (const where of REPOSITORIES) {
              await compareRepository(each, where, model.of(where));
              await comparePages(each, where, model.of(where));
            }
            await compareCatalog(each, model);
          }
        }),
        { numRuns: 25 },
      );
    });

    test('does not know a repository that was never written, and a read does not create it', async () => {
      const { projection } = current;
      await compareRepository(projection, repo, new History());
      await comparePages(projection, repo, new History());
      expect(await projection.submit(repo, { decide: (facts) => accept(facts.exists) })).toBe(false);
      expect(await projection.repositories(undefined, 10)).toEqual({ items: [], more: false });
    });

    test('rejects with the refusal of the command', async () => {
      const refused = new RegistryError('blob-unknown', 'no');
      const error: unknown = await current.projection
        .submit(repo, { decide: () => refuse(refused) })
        .catch((e: unknown) => e);
      expect(error).toBe(refused);
    });

    test('shows each acknowledged write to every later read, however many run concurrently', async () => {
      const { projection } = current;
      const clients = Array.from({ length: 40 }, async (_, index) => {
        const where = REPOSITORIES[index % 3] ?? repo;
        for (let time = 1; time <= 3; time++) {
          const tag = `c${index}-${time}`;
          await projection.submit(where, { decide: () => accept(undefined, tagged(tag)) });
          const page = await projection.tags(where, `c${index}-${time - 1}`, 1);
          expect(page.kind === 'known' ? page.value.items : []).toEqual([tag as Tag]);
          expect((await projection.repositories(undefined, 10)).items).toContain(where);
        }
      });
      await Promise.all(clients);
      const all = await projection.tags(repo, undefined, 1000);
      expect(all.kind === 'known' ? all.value.items : []).toHaveLength(14 * 3);
    });

    test('decides commands in order, each on the state that the earlier ones left', async () => {
      const { projection } = current;
      const once = {
        decide: (facts: { exists: boolean }) => (facts.exists ? accept('second') : accept('first', tagged('x'))),
      };
      const results = await Promise.all(Array.from({ length: 10 }, () => projection.submit(repo, once)));
      expect(results.filter((result) => result === 'first')).toHaveLength(1);
    });
  });
}
