import type { Client } from './client.ts';
import { deleteManifest, deleteTag, moveTag, pushBlob, pushImage, pushToFreshRepository } from './pushes.ts';
import { listCatalog, listReferrers, listTags, pullTag } from './reads.ts';
import { REPOSITORIES } from './world.ts';

type Step = (client: Client, repository: string) => Promise<unknown>;

/** The next step of a client, with its percentage. */
const STEPS: readonly (readonly [number, Step])[] = [
  [18, pushImage],
  [2, pushToFreshRepository],
  [16, moveTag],
  [6, deleteTag],
  [4, deleteManifest],
  [6, mediumBlob],
  [1, largeBlob],
  [30, pullTag],
  [8, listTags],
  [6, listReferrers],
  [3, listCatalog],
];

/** One client sends one request after another until the signal aborts. */
export async function work(client: Client, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) await step(client);
}

async function step(client: Client): Promise<void> {
  const { random } = client;
  let drawn = random.between(1, 100);
  const chosen = STEPS.find(([weight]) => {
    drawn -= weight;
    return drawn <= 0;
  });
  await (chosen?.[1] ?? pullTag)(client, random.pick(REPOSITORIES) ?? REPOSITORIES[0]);
}

/** Takes several requests, and is smaller than a part of a multipart upload. */
async function mediumBlob(client: Client, repository: string): Promise<void> {
  await pushBlob(client, repository, client.random.bytes(client.random.between(50_000, 900_000)));
}

/** Larger than a part. */
async function largeBlob(client: Client, repository: string): Promise<void> {
  await pushBlob(client, repository, client.random.bytes(client.random.between(5_300_000, 11_000_000)));
}
