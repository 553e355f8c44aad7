import type { Caller } from '../../access/access.ts';
import type { ComparedSide, ManifestComparison } from '../../inspection/interface.ts';
import { type ErrorKind, RegistryError } from '../../oci/errors.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import { type Comparable, formatComparable, parseComparable, repositoryOf } from '../../past/comparable.ts';
import type { DiffSide } from '../../past/diff-side.ts';
import type { RepositoryDiff } from '../../past/repository-diff.ts';
import type { Place } from '../addresses.ts';
import type { Sources } from './sources.ts';

export interface ComparisonRequest {
  /** As `parseComparable` reads them; empty: not chosen yet. */
  readonly a: string;
  readonly b: string;
  /** Of indexes; empty: the indexes themselves. */
  readonly platform: string;
}

/** Both sides were read. */
type Pair = { readonly from: Comparable; readonly to: Comparable };

export type ComparisonResult =
  /** A side is not chosen yet. */
  | { readonly kind: 'unchosen' }
  | { readonly kind: 'problem'; readonly status: 400 | 404; readonly message: string }
  | ({
      readonly kind: 'manifests';
      readonly comparison: ManifestComparison;
      /** Where the manifests can be seen. */
      readonly places: { readonly from: Place; readonly to: Place };
    } & Pair)
  | ({ readonly kind: 'repositories'; readonly repo: RepositoryName; readonly diff: RepositoryDiff } & Pair);

export interface ComparisonData {
  readonly result: ComparisonResult;
  /** What can be chosen: the newest tags of the repository. */
  readonly choices: readonly string[];
}

/** Tags that are offered. */
const MAX_CHOICES = 100;

/** Errors that a page with the form can help with. */
const MISTAKES: Partial<Readonly<Record<ErrorKind, 400 | 404>>> = {
  'request-invalid': 400,
  'name-unknown': 404,
  'manifest-unknown': 404,
  'blob-unknown': 404,
};

/** What differs between two manifests, or between two moments of a repository. */
export async function loadComparison(
  request: ComparisonRequest,
  caller: Caller,
  sources: Sources,
): Promise<ComparisonData> {
  const sides = [parseComparable(request.a), parseComparable(request.b)];
  const [first] = sides.flatMap((side) => side ?? []);
  const choices = first === undefined ? [] : await choicesIn(repositoryOf(first), caller, sources);
  return { result: await resultOf(request, sides, caller, sources), choices };
}

async function resultOf(
  { a, b, platform }: ComparisonRequest,
  [from, to]: readonly (Comparable | undefined)[],
  caller: Caller,
  sources: Sources,
): Promise<ComparisonResult> {
  if (a !== '' && from === undefined) return unreadable(a);
  if (b !== '' && to === undefined) return unreadable(b);
  if (from === undefined || to === undefined) return { kind: 'unchosen' };
  try {
    return await compared({ from, to }, platform, caller, sources);
  } catch (error) {
    const status = error instanceof RegistryError ? MISTAKES[error.kind] : undefined;
    if (status === undefined || !(error instanceof RegistryError)) throw error;
    return problem(status, error.message);
  }
}

async function compared(
  pair: Pair,
  platform: string,
  caller: Caller,
  { inspection, history, names }: Sources,
): Promise<ComparisonResult> {
  const { from, to } = pair;
  if (from.kind === 'manifest' && to.kind === 'manifest') {
    const options = platform === '' ? {} : { platform };
    const comparison = await inspection.compare(from.address, to.address, options, caller);
    const placeOf = ({ repository }: ComparedSide): Place => {
      const past = names.parse(repository);
      return past === undefined ? repository : { repo: past.repo, at: past.moment };
    };
    const places = { from: placeOf(comparison.from), to: placeOf(comparison.to) };
    return { kind: 'manifests', comparison, places, ...pair };
  }
  if (from.kind === 'manifest' || to.kind === 'manifest') {
    return problem(400, 'compare two tags or digests, or two moments of a repository');
  }
  const { repo } = from;
  if (repo !== to.repo) return problem(400, 'two moments can be compared only of the same repository');
  const sideOf = async ({ at }: Extract<Comparable, { kind: 'repository' }>): Promise<DiffSide> => {
    if (at !== undefined) return { kind: 'moment', moment: at };
    const { seq } = await history.contents(repo, undefined, caller);
    return { kind: 'moment', moment: { kind: 'slot', seq } };
  };
  const diff = await history.diff(repo, await sideOf(from), await sideOf(to), caller);
  if (diff.kind === 'moments') return { kind: 'repositories', repo, diff, ...pair };
  throw new Error('two moments were compared as manifests');
}

function unreadable(text: string): ComparisonResult {
  return problem(400, `“${text}” is nothing that can be compared: see the forms below`);
}

function problem(status: 400 | 404, message: string): ComparisonResult {
  return { kind: 'problem', status, message };
}

async function choicesIn(
  repo: RepositoryName,
  caller: Caller,
  { overview }: Pick<Sources, 'overview'>,
): Promise<string[]> {
  try {
    const { items } = await overview.tags(repo, { sort: 'time', offset: 0, limit: MAX_CHOICES }, caller);
    return items.map(({ tag }) => choice(repo, tag));
  } catch (error) {
    // Only its past is left, or it is a name of the past.
    if (error instanceof RegistryError && error.kind === 'name-unknown') return [];
    throw error;
  }
}

function choice(repo: RepositoryName, tag: Tag): string {
  return formatComparable({ kind: 'manifest', address: { repo, reference: { kind: 'tag', tag } } });
}
