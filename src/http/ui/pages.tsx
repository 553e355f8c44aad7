import { RegistryError, unreachable } from '../../oci/errors.ts';
import { HOME } from '../../ui/addresses.ts';
import { shortDigest } from '../../ui/format.ts';
import { renderToString } from '../../ui/jsx/render.js';
import { loadHome } from '../../ui/load/load-home.ts';
import { loadJump } from '../../ui/load/load-jump.ts';
import { loadDeletedTag, loadManifest } from '../../ui/load/load-manifest.ts';
import { loadRepository } from '../../ui/load/load-repository.ts';
import { Home } from '../../ui/views/home.tsx';
import { Jump } from '../../ui/views/jump.tsx';
import { Manifest } from '../../ui/views/manifest.tsx';
import { Repository } from '../../ui/views/repository.tsx';
import { DeletedTag } from '../../ui/views/tag-history.tsx';
import type { Handler } from '../context.ts';
import { changeRobot, showAccess } from './access-pages.tsx';
import { addTag, deleteTags, restoreTags } from './actions.tsx';
import { showChanges, waitForChanges } from './changes.tsx';
import { showComparison } from './compare.tsx';
import { htmlResponse, seeOther } from './html-response.ts';
import { beginIssuerLogin, finishIssuerLogin } from './issuer-log-in.tsx';
import { logIn, logOut } from './log-in.tsx';
import { giveOrder, showOperations } from './operations-pages.tsx';
import { type PageContext, pageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { pastComparison, pastHome, pastManifest, pastRepository, toPast } from './past.tsx';
import { pinRepository, unpinRepository } from './pin-actions.ts';
import { serveAsset } from './serve-asset.ts';
import { showLogin } from './show-login.tsx';
import { showPage } from './show-page.ts';
import { sendStorageMap, showStorage } from './storage.tsx';
import { showTimeline } from './timeline.tsx';

/** Serves one request of the page. The only table from pages to handlers: a page without a handler does not compile. */
export const servePage: Handler<'page'> = async ({ page }, context, ports) => {
  const found = pageContext(context, ports);
  switch (page.kind) {
    case 'to-home':
      return seeOther(HOME);
    case 'asset':
      return serveAsset(page.name, await found.ui.assets(), context);
    case 'home':
      return await home(page, found);
    case 'jump':
      return await jump(page, found);
    case 'repository':
      return await repository(page, found);
    case 'manifest':
      return await manifest(page, found);
    case 'compare':
      return await showComparison(page, found);
    case 'to-past':
      return await toPast(page, found);
    case 'past-home':
      return await pastHome(page, found);
    case 'past-compare':
      return pastComparison(page);
    case 'past-repository':
      return await pastRepository(page, found);
    case 'past-manifest':
      return await pastManifest(page, found);
    case 'changes':
      return await showChanges(page, found);
    case 'new-changes':
      return await waitForChanges(page, found);
    case 'storage':
      return await showStorage(page, found);
    case 'storage-map':
      return await sendStorageMap(found);
    case 'timeline':
      return await showTimeline(page, found);
    case 'delete':
      return await deleteTags(page.repo, found);
    case 'restore':
      return await restoreTags(page.repo, found);
    case 'tag':
      return await addTag(page.repo, found);
    case 'pin':
      return await pinRepository(page.repo, found);
    case 'unpin':
      return await unpinRepository(page.repo, found);
    case 'operations':
      return await showOperations(page, found);
    case 'order':
      return await giveOrder(found);
    case 'access':
      return await showAccess(page, found);
    case 'change-robot':
      return await changeRobot(found);
    case 'login-form':
      return found.viewer.name === undefined ? await showLogin(found, { to: page.to }) : seeOther(page.to);
    case 'issuer-login':
      return await beginIssuerLogin(page, found);
    case 'issuer-done':
      return await finishIssuerLogin(page, found);
    case 'login':
      return await logIn(found);
    case 'logout':
      return await logOut(found);
    default:
      return unreachable(page);
  }
};

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

async function home(route: Of<'home'>, page: PageContext): Promise<Response> {
  const { q, under, sort } = route;
  const data = await loadHome(route, page.context, page.sources);
  return await showPage(
    page,
    { title: q === '' ? (under ?? '') : q, search: q },
    <Home data={data} q={q} under={under} sort={sort} viewer={page.viewer} />,
  );
}

async function jump({ q }: Of<'jump'>, { context, sources }: PageContext): Promise<Response> {
  const html = renderToString(<Jump result={await loadJump(q, context, sources)} />);
  context.stats.sent = Buffer.byteLength(html);
  return htmlResponse(html);
}

async function repository(route: Of<'repository'>, page: PageContext): Promise<Response> {
  const data = await loadRepository(route, page.context, page.sources);
  const view = <Repository data={data} sort={route.sort} q={route.q} viewer={page.viewer} />;
  return await showPage(page, { title: route.repo }, view);
}

async function manifest({ repo, reference }: Of<'manifest'>, page: PageContext): Promise<Response> {
  const name = reference.kind === 'tag' ? `:${reference.tag}` : `@${shortDigest(reference.digest)}`;
  const shown = { title: repo + name };
  try {
    const data = await loadManifest(repo, reference, page.context, page.sources);
    return await showPage(page, shown, <Manifest data={data} viewer={page.viewer} />);
  } catch (error) {
    if (reference.kind !== 'tag' || !(error instanceof RegistryError) || error.kind !== 'manifest-unknown') throw error;
    const deleted = await loadDeletedTag(repo, reference.tag, page.context, page.sources);
    if (deleted === undefined) throw error;
    return await showPage(page, { ...shown, status: 404 }, <DeletedTag data={deleted} viewer={page.viewer} />);
  }
}
