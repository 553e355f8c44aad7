import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts';
import { OCI_INDEX } from '../../oci/media-types.ts';
import type { Descriptor } from '../../registry/interface.ts';
import type { Handler, RequestStats } from '../context.ts';
import { respond } from '../response.ts';

/** "the tags MUST be in lexical … or ASCIIbetical order"; "When n is zero, this endpoint MUST return an empty list". */
export const listTags: Handler<'tags-list'> = async ({ repo, n, last }, context, { registry }) => {
  const { items, more } = await registry.tags(repo, { after: last, limit: n }, context);
  return json(
    context.stats,
    { name: repo, tags: items },
    next(`/v2/${repo}/tags/list`, items[items.length - 1], more && n !== 0, n),
  );
};

/** Not in the spec, but widely used by tools. It has the same form as the list of tags. */
export const listCatalog: Handler<'catalog'> = async ({ base, n, last }, context, { registry }) => {
  const { items, more, resume } = await registry.repositories({ after: last, limit: n }, context, base);
  const path = base === undefined ? '/v2/_catalog' : `/v2/${base}/_catalog`;
  const end = resume ?? items[items.length - 1];
  return json(context.stats, { repositories: items }, next(path, end, more && n !== 0, n));
};

/** Room in a page for everything except the descriptors. */
const INDEX_BYTES = 200;

/** "the response MUST be a JSON body with an image index containing a list of descriptors … MUST NOT return a 404". */
export const listReferrers: Handler<'referrers'> = async (
  { repo, digest, artifactType, last },
  context,
  { registry },
) => {
  const manifests: string[] = [];
  let size = INDEX_BYTES;
  const fits = (referrer: Descriptor): boolean => {
    const text = JSON.stringify(rendered(referrer));
    size += Buffer.byteLength(text) + 1;
    // "A Link header MUST be included in the response when the descriptor list cannot be returned in a single manifest."
    if (manifests.length > 0 && size > MAX_MANIFEST_BYTES) return false;
    manifests.push(text);
    return true;
  };
  const { items, more } = await registry.referrers(repo, digest, { artifactType, after: last, fits }, context);
  const headers: Record<string, string> = { 'Content-Type': OCI_INDEX };
  // "If filtering is requested and applied, the response MUST include a header OCI-Filters-Applied: artifactType".
  if (artifactType !== undefined) headers['OCI-Filters-Applied'] = 'artifactType';
  const lastItem = items[items.length - 1];
  if (more && lastItem !== undefined) {
    const query = new URLSearchParams({
      ...(artifactType === undefined ? {} : { artifactType }),
      last: lastItem.digest,
    });
    headers.Link = `</v2/${repo}/referrers/${digest}?${query}>; rel="next"`;
  }
  const text = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[${manifests.join(',')}]}`;
  return send(context.stats, text, headers);
};

function rendered({ mediaType, digest, size, artifactType, annotations }: Descriptor): Record<string, unknown> {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** The Link header to the next page; no header on the last page. */
function next(path: string, last: string | undefined, more: boolean, n: number | undefined): Record<string, string> {
  if (!more || last === undefined) return {};
  const query = new URLSearchParams({ ...(n === undefined ? {} : { n: String(n) }), last });
  return { Link: `<${path}?${query}>; rel="next"` };
}

function json(stats: RequestStats, value: unknown, headers: Record<string, string>): Response {
  return send(stats, JSON.stringify(value), { 'Content-Type': 'application/json', ...headers });
}

function send(stats: RequestStats, text: string, headers: Record<string, string>): Response {
  const bytes = new TextEncoder().encode(text);
  stats.sent = bytes.length;
  return respond(bytes, { headers: { ...headers, 'Content-Length': String(bytes.length) } });
}
