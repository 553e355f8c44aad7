// The index of repositories over a driver, as a server has it, without threads.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AccessPolicy, openAccess } from '../../src/access/access.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { IndexFile } from '../../src/overview/index-file.ts';
import { IndexWriter } from '../../src/overview/index-writer.ts';
import { Indexer } from '../../src/overview/indexer.ts';
import type { PulledAt } from '../../src/overview/interface.ts';
import { NotedChanges } from '../../src/overview/noted-changes.ts';
import { OverviewService } from '../../src/overview/overview-service.ts';
import { openIndex } from '../../src/overview/schema.ts';
import type { Projection } from '../../src/projection/projection.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { raise } from './raise.ts';

export interface OpenOverview extends AsyncDisposable {
  readonly overview: OverviewService;
  readonly indexer: Indexer;
  readonly failures: unknown[];
  /** A repository has new slots. */
  changed(repo: RepositoryName): void;
  /** Resolves when everything is in the index, and all manifests were read. */
  settled(): Promise<void>;
}

export function openOverview(
  driver: StoreReader,
  projection: Pick<Projection, 'repositories'>,
  options: {
    readonly access?: AccessPolicy;
    readonly now?: () => number;
    readonly hasRoom?: () => boolean;
    readonly pulls?: PulledAt;
    /** How long an answer waits for what was written before, in milliseconds. */
    readonly patience?: number;
  } = {},
): OpenOverview {
  const { access = openAccess, now = Date.now, hasRoom = () => true, pulls, patience = 60_000 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'overview-'));
  const file = new IndexFile(folder, 'test', raise);
  const reader = openIndex(file.path);
  const noted = new NotedChanges();
  const failures: unknown[] = [];
  const indexer = new Indexer({
    driver,
    writer: new IndexWriter(file.writer),
    changes: noted,
    ahead: 1,
    repositories: (after, limit) => projection.repositories(after, limit),
    ...{ now, hasRoom },
    yieldToRequests: async () => {},
    failed: (error) => failures.push(error),
  });
  indexer.start();
  const overview = new OverviewService({
    ...{ database: reader, access, now },
    caughtUp: () => indexer.caughtUp(patience),
    garbage: async () => ({ objects: 1, bytes: 2, at: '2030-01-01T00:00:00.000Z' }),
    expiring: () => [],
    pulls: async () => pulls,
  });
  return {
    ...{ overview, indexer, failures },
    changed: (repo) => noted.note(repo),
    settled: async () => {
      await indexer.caughtUp(60_000);
      while (!indexer.isIdle) await Bun.sleep(1);
    },
    async [Symbol.asyncDispose]() {
      await indexer.close();
      reader.close();
      file.close();
      rmSync(folder, { recursive: true });
    },
  };
}
