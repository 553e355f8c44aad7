import { RegistryError } from '../../oci/errors.ts';
import type { RequestContext } from '../context.ts';
import { respond } from '../response.ts';
import type { Assets } from './assets.ts';
import { PAGE_HEADERS } from './html-response.ts';

/** @throws RegistryError `route-unknown` */
export function serveAsset(name: string, assets: Assets, { request, stats }: RequestContext): Response {
  const exact = assets.byName.get(name);
  // While a new version is rolled out, a page of one node may load the files of another.
  const asset = exact ?? [...assets.byName.values()].find((each) => extensionOf(each.name) === extensionOf(name));
  if (asset === undefined) throw new RegistryError('route-unknown', 'there is no such file');
  const isZipped = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  const body = isZipped ? asset.gzipped : asset.bytes;
  stats.sent = body.length;
  return respond(body, {
    headers: {
      ...PAGE_HEADERS,
      'Content-Type': asset.type,
      'Content-Length': String(body.length),
      'Cache-Control': exact === undefined ? 'no-store' : 'public, max-age=31536000, immutable',
      Vary: 'Accept-Encoding',
      ...(isZipped ? { 'Content-Encoding': 'gzip' } : {}),
    },
  });
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
