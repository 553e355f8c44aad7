import { createHash } from 'node:crypto';
import { ASSETS } from '../../ui/addresses.ts';
import type { AssetLinks } from '../../ui/viewer.ts';

/** A file that pages load. */
interface Asset {
  /** With a hash of its content. */
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

/** The files of the page. */
export interface Assets {
  readonly links: AssetLinks;
  readonly byName: ReadonlyMap<string, Asset>;
}

const SOURCES = new URL('../../ui/', import.meta.url);
const HASH_CHARACTERS = 12;

/**
 * Bundles style and scripts. The result depends only on their sources, so all threads and all nodes of a version have the same names.
 * @throws AggregateError if the sources are broken
 */
export async function bundleAssets(): Promise<Assets> {
  const [style, script] = await Promise.all([bundle('style/page.css'), bundle('browser/page.ts')]);
  const styleAsset = assetOf('page', 'css', 'text/css; charset=utf-8', style);
  const scriptAsset = assetOf('page', 'js', 'text/javascript; charset=utf-8', script);
  return {
    links: { style: ASSETS + styleAsset.name, script: ASSETS + scriptAsset.name },
    byName: new Map([styleAsset, scriptAsset].map((each) => [each.name, each])),
  };
}

async function bundle(source: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [Bun.fileURLToPath(new URL(source, SOURCES))],
    target: 'browser',
    format: 'esm',
    minify: true,
  });
  return (await outputs[0]?.text()) ?? '';
}

function assetOf(base: string, extension: string, type: string, text: string): Asset {
  const bytes = new TextEncoder().encode(text);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, HASH_CHARACTERS);
  return { name: `${base}-${hash}.${extension}`, type, bytes, gzipped: Bun.gzipSync(bytes, { level: 9 }) };
}
