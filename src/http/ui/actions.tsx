import { parseDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { type Digest, parseTag, type RepositoryName, type Tag } from '../../oci/names.ts';
import type { Manifest, TagCondition } from '../../registry/interface.ts';
import { manifestAddress, repositoryAddress } from '../../ui/addresses.ts';
import { planDeletion } from '../../ui/load/load-deletion.ts';
import { ConfirmDelete } from '../../ui/views/confirm-delete.tsx';
import { seeOther } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import { readAction } from './read-form.ts';
import { showPage } from './show-page.ts';

/** Tags of one form. */
const MAX_TAGS = 200;

/** A tag of a form, with the digest that it has or gets. */
interface NamedTag {
  readonly tag: Tag;
  readonly digest: Digest | undefined;
}

/** Deletes tags, after a page has said what goes and what stays. */
export async function deleteTags(repo: RepositoryName, page: PageContext): Promise<Response> {
  const { context, sources, viewer } = page;
  const fields = await readAction(page);
  const tags = tagsOf(fields);
  if (fields.get('confirmed') !== 'yes') {
    const plan = await planDeletion(
      repo,
      tags.map(({ tag }) => tag),
      context,
      sources,
    );
    return await showPage(
      page,
      { title: `Delete from ${repo}` },
      <ConfirmDelete repo={repo} plan={plan} viewer={viewer} />,
    );
  }
  const { seq } = await sources.history.contents(repo, undefined, context);
  for (const { tag, digest } of tags) {
    const condition: TagCondition | undefined = digest === undefined ? undefined : { kind: 'is', digests: [digest] };
    await sources.registry.deleteTag(repo, tag, condition, context);
  }
  return seeOther(repositoryAddress(repo, { undo: seq }));
}

/** Sets tags to what they were: undoes a delete, or rolls a tag back. A tag that somebody else has changed meanwhile stays. */
export async function restoreTags(repo: RepositoryName, page: PageContext): Promise<Response> {
  const { context, sources } = page;
  const fields = await readAction(page);
  const expected = parseDigest(fields.get('expected') ?? '');
  const condition: TagCondition = expected === undefined ? { kind: 'absent' } : { kind: 'is', digests: [expected] };
  const tags = tagsOf(fields);
  for (const { tag, digest } of tags) {
    if (digest === undefined) throw new RegistryError('request-invalid', `the form does not say what ${tag} was`);
    const { descriptor, bytes } = await manifestOf(repo, digest, page);
    const pushed = { bytes, contentType: descriptor.mediaType, digest, tags: [tag], condition };
    await sources.registry.pushManifest(repo, pushed, context);
  }
  const [first] = tags;
  const isOne = tags.length === 1 && first !== undefined && expected !== undefined;
  return seeOther(isOne ? manifestAddress(repo, { kind: 'tag', tag: first.tag }) : repositoryAddress(repo));
}

/** The manifest as it was pushed. @throws RegistryError `manifest-unknown` with what to do */
async function manifestOf(repo: RepositoryName, digest: Digest, { context, sources }: PageContext): Promise<Manifest> {
  try {
    return await sources.registry.getManifest(repo, { kind: 'digest', digest }, context);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.kind !== 'manifest-unknown') throw error;
    const message = `the manifest ${digest} was deleted: an operator can restore it with "marina restore" while its bytes exist`;
    throw new RegistryError('manifest-unknown', message);
  }
}

/** Fields `tag` with a tag, or a tag and a digest. @throws RegistryError `request-invalid` */
function tagsOf(fields: URLSearchParams): NamedTag[] {
  const texts = fields.getAll('tag');
  if (texts.length === 0)
    throw new RegistryError('request-invalid', 'no tag was chosen: go back and choose at least one');
  if (texts.length > MAX_TAGS) throw new RegistryError('too-many-tags', `choose at most ${MAX_TAGS} tags at a time`);
  return texts.map((text) => {
    const [name = '', value] = text.split(' ');
    const tag = parseTag(name);
    const digest = value === undefined ? undefined : parseDigest(value);
    if (tag === undefined || (value !== undefined && digest === undefined))
      throw new RegistryError('request-invalid', 'the form names something that is no tag');
    return { tag, digest };
  });
}
