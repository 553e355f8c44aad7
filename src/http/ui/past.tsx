import { type ErrorKind, RegistryError } from '../../oci/errors.ts';
import { comparableAt, formatComparable, parseComparable } from '../../past/comparable.ts';
import { formatTime } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import { compareAddress, momentAddress, type PastPlace, repositoryAddress } from '../../ui/addresses.ts';
import { pageAt } from '../../ui/components/ribbon.tsx';
import { loadPastManifest, loadPastRepository, secondFor } from '../../ui/load/load-past.ts';
import { loadPastHome } from '../../ui/load/load-past-home.ts';
import { loadTravel } from '../../ui/load/load-travel.ts';
import { NothingThen } from '../../ui/views/nothing-then.tsx';
import { PastHome } from '../../ui/views/past-home.tsx';
import { PastManifest } from '../../ui/views/past-manifest.tsx';
import { PastRepository } from '../../ui/views/past-repository.tsx';
import { seeOther } from './html-response.ts';
import type { PageContext } from './page-context.ts';
import { namedIn, type PageRoute, pageMomentOf } from './page-route.ts';
import { showPage } from './show-page.ts';

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

/** GET /ui/at: from the forms of the past to the page that they mean. */
export async function toPast({ moment, named }: Of<'to-past'>, { context, sources }: PageContext): Promise<Response> {
  const at = pageMomentOf(withZone(moment));
  if (named === '') return seeOther(momentAddress(at));
  const { repo, reference } = namedIn(named);
  const second = await secondFor(at, repo, context, sources);
  return seeOther(pageAt({ repo, at: second }, reference));
}

/** Fields for a time have no zone, and no seconds if these are 0: they mean UTC. */
function withZone(text: string): string {
  const [, time, seconds = ':00'] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?$/.exec(text) ?? [];
  return time === undefined ? text : `${time}${seconds}Z`;
}

/** GET /ui/at/<moment>/ */
export async function pastHome({ at, after }: Of<'past-home'>, page: PageContext): Promise<Response> {
  if (at.kind === 'slot') {
    throw new RegistryError(
      'request-invalid',
      'slots are numbered in each repository: give a time, such as 2026-11-28',
    );
  }
  const data = await loadPastHome({ at, after }, page.context, page.sources);
  return await showPage(page, { title: formatTime(at.until) }, <PastHome data={data} at={at} viewer={page.viewer} />);
}

/** GET /ui/at/<moment>/compare */
export function pastComparison({ at, a, b, platform }: Of<'past-compare'>): Response {
  const then = (text: string): string => {
    const found = parseComparable(text);
    // The page that follows says what is wrong with it.
    return found === undefined ? text : formatComparable(comparableAt(found, at));
  };
  return seeOther(compareAddress({ a: then(a), b: then(b), platform: platform || undefined }));
}

/** GET /ui/at/<moment>/repositories/<name> */
export async function pastRepository(route: Of<'past-repository'>, page: PageContext): Promise<Response> {
  const { at, repo, sort, q, after } = route;
  const place = await placeOf(route, page);
  if (at.kind === 'slot') return seeOther(repositoryAddress(place, { sort, q, after }));
  return await orNothing(place, undefined, page, async () => {
    const data = await loadPastRepository({ place, sort, q, after }, page.context, page.sources);
    const view = <PastRepository data={data} sort={sort} q={q} viewer={page.viewer} />;
    return await showPage(page, { title: `${repo} at ${formatTime(place.at.until)}` }, view);
  });
}

/** GET /ui/at/<moment>/repositories/<name>:<tag>, <name>@<digest> */
export async function pastManifest(route: Of<'past-manifest'>, page: PageContext): Promise<Response> {
  const { at, repo, reference } = route;
  const place = await placeOf(route, page);
  if (at.kind === 'slot') return seeOther(pageAt(place, reference));
  return await orNothing(place, reference, page, async () => {
    const data = await loadPastManifest(place, reference, page.context, page.sources);
    const view = <PastManifest data={data} viewer={page.viewer} />;
    return await showPage(page, { title: `${repo} at ${formatTime(place.at.until)}` }, view);
  });
}

async function placeOf(
  { at, repo }: Of<'past-repository' | 'past-manifest'>,
  { context, sources }: PageContext,
): Promise<PastPlace> {
  return { repo, at: await secondFor(at, repo, context, sources) };
}

const MISSING: ReadonlySet<ErrorKind> = new Set(['name-unknown', 'manifest-unknown']);

/** What did not exist then gets a page from which one can go to another moment. */
async function orNothing(
  place: PastPlace,
  reference: Reference | undefined,
  page: PageContext,
  show: () => Promise<Response>,
): Promise<Response> {
  try {
    return await show();
  } catch (error) {
    if (!(error instanceof RegistryError) || !MISSING.has(error.kind)) throw error;
    const { context, sources, viewer } = page;
    const { seq } = await sources.history.slotAt(place.repo, place.at, context);
    const travel = await loadTravel({ place, reference, seq }, context, sources);
    const view = (
      <NothingThen place={place} reference={reference} message={error.message} travel={travel} viewer={viewer} />
    );
    return await showPage(page, { title: `${place.repo} at ${formatTime(place.at.until)}`, status: 404 }, view);
  }
}
