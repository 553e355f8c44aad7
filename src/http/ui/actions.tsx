import { parseDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { type Digest, parseTag, type RepositoryName, type Tag } from '../../oci/names.ts';
import { parseCompactTime, type TimeMoment } from '../../past/moment.ts';
import type { Manifest, TagCondition } from '../../registry/interface.ts';
import { manifestAddress, repositoryAddress } from '../../ui/addresses.ts';
import type { Refusal } from '../../ui/load/actions.ts';
import { planDeletion } from '../../ui/load/load-deletion.ts';
import { ConfirmDelete } from '../../ui/views/confirm-delete.tsx';
import { ConfirmMove } from '../../ui/views/confirm-move.tsx';
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
  requireOffered(sources.actionsIn(repo, context).deleteTag);
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
  for (const [deleted, { tag, digest }] of tags.entries()) {
    const condition: TagCondition | undefined = digest === undefined ? undefined : { kind: 'is', digests: [digest] };
    try {
      await sources.registry.deleteTag(repo, tag, condition, context);
    } catch (error) {
      if (!(error instanceof RegistryError) || deleted === 0) throw error;
      const message = `${deleted} of ${tags.length} tags were deleted, then ${tag} was refused: ${error.message}`;
      throw new RegistryError(error.kind, message, error.detail, error);
    }
  }
  return seeOther(repositoryAddress(repo, { undo: seq }));
}

/** Gives a manifest another tag. If the tag is another manifest's, a page asks first. */
export async function addTag(repo: RepositoryName, page: PageContext): Promise<Response> {
  const { context, sources, viewer } = page;
  const fields = await readAction(page);
  const tag = parseTag((fields.get('name') ?? '').trim());
  const digest = parseDigest(fields.get('digest') ?? '');
  if (tag === undefined) throw new RegistryError('tag-invalid', `a tag has ${TAG_FORM}`);
  if (digest === undefined) throw new RegistryError('request-invalid', 'the form does not say what to tag');
  const expected = parseDigest(fields.get('expected') ?? '');
  const { addTag: refusal, moveTag } = sources.actionsIn(repo, context);
  requireOffered(refusal);
  const current = (await sources.history.contents(repo, undefined, context)).tag(tag);
  if (current !== undefined && current !== digest && expected === undefined) {
    requireOffered(moveTag);
    const view = <ConfirmMove repo={repo} tag={tag} from={current} to={digest} viewer={viewer} />;
    return await showPage(page, { title: `Move ${tag} of ${repo}` }, view);
  }
  await setTags(repo, { tags: [tag], digest, expected: expected ?? current }, page);
  return seeOther(manifestAddress(repo, { kind: 'tag', tag }));
}

const TAG_FORM =
  '1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter, digit or underscore';

/** Sets tags to what they were: undoes a delete, or rolls a tag back. A tag that somebody else has changed meanwhile stays. */
export async function restoreTags(repo: RepositoryName, page: PageContext): Promise<Response> {
  const fields = await readAction(page);
  const expected = parseDigest(fields.get('expected') ?? '');
  const tags = tagsOf(fields);
  const moment = parseCompactTime(fields.get('at') ?? '');
  for (const { tag, digest } of tags) {
    if (digest === undefined) throw new RegistryError('request-invalid', `the form does not say what ${tag} was`);
    await setTags(repo, { tags: [tag], digest, expected, moment }, page);
  }
  const [first] = tags;
  const isOne = tags.length === 1 && first !== undefined && (expected !== undefined || moment !== undefined);
  return seeOther(isOne ? manifestAddress(repo, { kind: 'tag', tag: first.tag }) : repositoryAddress(repo));
}

/** A page that asks before it acts must not ask for what is refused afterwards. */
function requireOffered(refusal: Refusal): void {
  if (refusal !== undefined) throw refusal;
}

interface SetTags {
  readonly tags: readonly Tag[];
  readonly digest: Digest;
  /** What the tags are now; undefined: they do not exist. */
  readonly expected: Digest | undefined;
  /** At which the repository had the manifest; absent: now. */
  readonly moment?: TimeMoment | undefined;
}

/** Pushes a manifest of the repository again, under these tags. */
async function setTags(
  repo: RepositoryName,
  { tags, digest, expected, moment }: SetTags,
  page: PageContext,
): Promise<void> {
  const { context, sources } = page;
  const condition: TagCondition = expected === undefined ? { kind: 'absent' } : { kind: 'is', digests: [expected] };
  const { descriptor, bytes } = await manifestOf(repo, digest, moment, page);
  const pushed = { bytes, contentType: descriptor.mediaType, digest, tags, condition };
  await sources.registry.pushManifest(repo, pushed, context);
}

/**
 * The manifest as it was pushed.
 * @param moment at which the repository had it; undefined: now
 * @throws RegistryError `manifest-unknown` with what to do
 */
async function manifestOf(
  repo: RepositoryName,
  digest: Digest,
  moment: TimeMoment | undefined,
  { context, sources }: PageContext,
): Promise<Manifest> {
  const past = moment === undefined ? undefined : sources.names.nameOf({ moment, repo });
  try {
    return await sources.registry.getManifest(past ?? repo, { kind: 'digest', digest }, context);
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
