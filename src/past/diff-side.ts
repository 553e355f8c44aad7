import { parseDigest } from '../oci/digest.ts';
import { type Digest, parseTag, type Tag } from '../oci/names.ts';
import { type Moment, parseMoment } from './moment.ts';

/** One side of a comparison: a whole repository at a moment, or one of its manifests, now or at a moment. */
export type DiffSide =
  | { readonly kind: 'moment'; readonly moment: Moment }
  | {
      readonly kind: 'manifest';
      readonly reference: { readonly tag: Tag } | { readonly digest: Digest };
      /** undefined: now. */
      readonly at: Moment | undefined;
    };

/** The forms that parseDiffSide accepts, for messages. */
export const DIFF_SIDE_FORMS =
  'a moment (a slot number, or a time such as 2026-11-28T10:15:00Z), a tag or a digest, or one of these with @ and a moment';

const TAG_MARK = 'tag:';

/**
 * `12`, `2026-11-28T10:15:00Z`: a moment. `v1`, `sha256:…`: a manifest as it is now. `v1@12`, `v1@2026-11-28`: as it was. A tag that
 * reads as a moment is written `tag:12`. Pure.
 * @returns undefined for anything else
 */
export function parseDiffSide(text: string): DiffSide | undefined {
  const moment = parseMoment(text);
  if (moment !== undefined) return { kind: 'moment', moment };
  const mark = text.indexOf('@');
  const reference = parseReference(mark < 0 ? text : text.slice(0, mark));
  if (reference === undefined) return undefined;
  if (mark < 0) return { kind: 'manifest', reference, at: undefined };
  const at = parseMoment(text.slice(mark + 1));
  return at === undefined ? undefined : { kind: 'manifest', reference, at };
}

function parseReference(text: string): { readonly tag: Tag } | { readonly digest: Digest } | undefined {
  const digest = parseDigest(text);
  if (digest !== undefined) return { digest };
  const tag = parseTag(text.startsWith(TAG_MARK) ? text.slice(TAG_MARK.length) : text);
  return tag === undefined ? undefined : { tag };
}
