// One data folder with everything that the commands report; filled by a real server, then only copied.
import {
  type Content,
  emptyConfig,
  expectStatus,
  type Image,
  image,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';
import { startServer, temporaryFolder } from '../support/server.ts';

export const APP = 'team/app';
export const OTHER = 'other/app';
export const MANY = 'many/tags';
/** More than the number of slots after which a snapshot is written. */
export const MANY_SLOTS = 520;

export interface Store {
  readonly dataPath: string;
  /** Tag v1 of APP until it moved to `second`; tag v2, deleted; tag v1 of OTHER, from the same bytes. */
  readonly first: Image;
  /** Tag v1 of APP, and its tag `gone`, until the manifest was deleted. */
  readonly second: Image;
  /** In APP: its subject is `first`. */
  readonly artifact: Image;
  /** An unreferenced blob of APP. */
  readonly loose: Content;
}

/** A stopped store. */
export async function makeStore(): Promise<Store> {
  const dataPath = temporaryFolder('store');
  const server = await startServer({ STORAGE_PATH: dataPath });
  const { url } = server;
  const first = image({ layers: [randomBlob(1024), randomBlob(100_000)] });
  const second = image();
  const artifact = image({ config: emptyConfig, artifactType: 'application/vnd.x', subject: first.descriptor });
  const loose = randomBlob(2000, 'sha512');
  await pushImage(url, APP, first, 'v1');
  await pushImage(url, APP, second, 'v1');
  await pushManifest(url, APP, second, 'gone');
  await pushManifest(url, APP, first, 'v2');
  await pushImage(url, OTHER, first, 'v1');
  await expectStatus(202, `${url}/v2/${APP}/manifests/v2`, { method: 'DELETE' });
  await expectStatus(202, `${url}/v2/${APP}/manifests/${second.descriptor.digest}`, { method: 'DELETE' });
  await pushImage(url, APP, artifact);
  await pushBlob(url, APP, loose);
  await pushManyTags(url, first);
  await server.stop();
  return { dataPath, first, second, artifact, loose };
}

/** Sequentially, because concurrent pushes would share a slot. */
async function pushManyTags(url: string, tagged: Image): Promise<void> {
  await pushImage(url, MANY, tagged);
  for (let seq = tagged.blobs.length + 2; seq <= MANY_SLOTS; seq++) await pushManifest(url, MANY, tagged, `t${seq}`);
}
