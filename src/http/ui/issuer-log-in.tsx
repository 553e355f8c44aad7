import { labelOf } from '../../access/identity.ts';
import type { Finished } from '../../access/logins/issuer-logins.ts';
import { RegistryError } from '../../oci/errors.ts';
import { HOME, issuerCallbackAddress } from '../../ui/addresses.ts';
import { LoggedIn } from '../../ui/views/login.tsx';
import { hostOf } from '../public-address.ts';
import { isTrustedHost } from './form-guard.ts';
import { seeOther } from './html-response.ts';
import { endedPendingLoginCookie, loginCookie, pendingLoginCookie, pendingLoginCookieOf } from './login-cookie.ts';
import type { PageContext } from './page-context.ts';
import type { PageRoute } from './page-route.ts';
import { showLogin, TOO_MANY_CLAIMS } from './show-login.tsx';
import { showPage } from './show-page.ts';

type Of<Kind extends PageRoute['kind']> = Extract<PageRoute, { readonly kind: Kind }>;

const NO_ADDRESS =
  'This log-in needs a name of this registry that nobody else can use: an administrator must set PUBLIC_URL or PUBLIC_HOSTS.';
const STALE =
  'This log-in did not begin in this browser, took more than ten minutes, or has already ended. Please begin again.';

/** GET /ui/login/with/<issuer>: leads the browser to the issuer. */
export async function beginIssuerLogin({ issuer, to }: Of<'issuer-login'>, page: PageContext): Promise<Response> {
  const { context, ui, viewer } = page;
  if (viewer.name !== undefined) return seeOther(to);
  const base = baseOf(page);
  if (base === undefined) return await showLogin(page, { to, problem: NO_ADDRESS, status: 403 });
  const redirectUri = base + issuerCallbackAddress(issuer);
  const begun = await ui.issuerLogins?.begin({ issuer, redirectUri, to });
  switch (begun?.kind) {
    case 'begun': {
      const cookie = pendingLoginCookie(begun.token, context.isSecure);
      return cookie === undefined
        ? await showLogin(page, { to, problem: 'The address of the page is too long.', status: 400 })
        : seeOther(begun.address, cookie);
    }
    case 'unavailable':
      return await showLogin(page, unavailable(issuer, to));
    case 'unknown':
    case undefined:
      throw new RegistryError('route-unknown', 'there is no log-in with this issuer');
  }
}

/**
 * Scheme and host for the address to which the issuer leads the browser back. The code that comes with it is worth a log-in, so the
 * host is never one that only the request names, unless no other site can have it.
 */
function baseOf({ context, ui }: PageContext): string | undefined {
  const base = context.siteAddress();
  return base !== undefined && isTrustedHost(hostOf(base), ui.namedHosts) ? base : undefined;
}

/** GET /ui/login/with/<issuer>/done: the browser comes back from the issuer. */
export async function finishIssuerLogin({ issuer, answer }: Of<'issuer-done'>, page: PageContext): Promise<Response> {
  const { context, ui } = page;
  if (ui.issuerLogins === undefined) throw new RegistryError('route-unknown', 'there is no log-in with this issuer');
  const token = pendingLoginCookieOf(context.request.headers, context.isSecure);
  const finished = await ui.issuerLogins.finish(issuer, token, new URLSearchParams(answer), context.client);
  // The cookie of a log-in that goes on stays: no link of another site ends it, and the page can be loaded again.
  const goesOn = finished.kind === 'stale' || finished.kind === 'busy';
  const cookies = goesOn ? [] : [endedPendingLoginCookie(context.isSecure)];
  const about = { requestId: context.id, client: context.client, account: undefined };
  switch (finished.kind) {
    case 'known':
      return await welcome(finished, page, cookies);
    case 'stale':
      return await showLogin(page, { to: HOME, problem: STALE, status: 400 });
    case 'denied':
      ui.onRefused({ ...about, reason: `issuer ${issuer}: it refused the log-in` });
      return await showLogin(page, {
        ...{ to: finished.to, status: 403, cookies },
        problem: `${issuer} refused the log-in.`,
        quote: quoteOf(finished),
      });
    case 'refused':
      ui.onRefused({ ...about, reason: finished.reason });
      return await showLogin(page, {
        ...{ to: finished.to, status: 403, cookies },
        problem: `The answer of ${issuer} is not accepted. The log of the registry says why.`,
      });
    case 'unavailable':
      ui.onRefused({ ...about, reason: finished.reason });
      return await showLogin(page, { ...unavailable(issuer, finished.to), cookies });
    case 'busy':
      return await showLogin(page, {
        ...{ to: finished.to, status: 429, cookies, headers: { 'Retry-After': '5' } },
        problem: 'Too many log-ins are in progress. Load this page again in 5 seconds.',
      });
  }
}

/**
 * The browser came here by a link of another site, so it would not send the new cookie, which is Strict, with a redirect. A page in
 * between makes the next request one of this site.
 */
async function welcome(
  { identity, name, to }: Extract<Finished, { readonly kind: 'known' }>,
  page: PageContext,
  cookies: readonly string[],
): Promise<Response> {
  const { context, ports, ui, viewer } = page;
  const bound = ports.tokens?.issuer.bind({ kind: 'identity', identity });
  if (ui.logins === undefined || bound === undefined)
    throw new RegistryError('denied', 'there is no log-in at this registry');
  const cookie = loginCookie(await ui.logins.begin(bound, name), context.isSecure);
  if (cookie === undefined) return await showLogin(page, { to, problem: TOO_MANY_CLAIMS, status: 403, cookies });
  const actor = labelOf(identity);
  ui.onLogin({ requestId: context.id, client: context.client, actor });
  return await showPage(
    { ...page, viewer: { ...viewer, canLogIn: false } },
    { title: 'Logged in', cookies: [cookie, ...cookies], headers: { Refresh: `0; url=${to}` } },
    <LoggedIn actor={actor} nickname={name} to={to} />,
  );
}

function unavailable(issuer: string, to: string) {
  const problem = `${issuer} cannot be reached at the moment. Try again in 10 seconds.`;
  return { to, problem, status: 503, headers: { 'Retry-After': '10' } };
}

const MAX_QUOTE = 300;

/** RFC 6749, section 4.1.2.1: both "MUST NOT include characters outside the set %x20-21 / %x23-5B / %x5D-7E". */
function quoteOf({ error, description }: Extract<Finished, { readonly kind: 'denied' }>): string {
  const text = description === undefined ? error : `${error}: ${description}`;
  const plain = text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]+/g, ' ').trim();
  return plain.length > MAX_QUOTE ? `${plain.slice(0, MAX_QUOTE)}…` : plain;
}
