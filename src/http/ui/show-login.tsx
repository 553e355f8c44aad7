import { Login } from '../../ui/views/login.tsx';
import type { PageContext } from './page-context.ts';
import { showPage } from './show-page.ts';

/** Why a log-in that succeeded cannot be kept. */
export const TOO_MANY_CLAIMS = 'Your account has too many claims for a cookie.';

interface Shown {
  /** The page that follows. */
  readonly to: string;
  /** The name that was typed before. */
  readonly user?: string;
  /** Why the last attempt failed. */
  readonly problem?: string;
  /** What the issuer says about it: any text. */
  readonly quote?: string | undefined;
  readonly status?: number;
  readonly cookies?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** The page on which people log in. */
export async function showLogin(page: PageContext, shown: Shown): Promise<Response> {
  const { to, user, problem, quote, ...response } = shown;
  const issuers = page.ui.issuerLogins?.names ?? [];
  const view = <Login viewer={page.viewer} issuers={issuers} to={to} user={user} problem={problem} quote={quote} />;
  return await showPage(page, { title: 'Log in', ...response }, view);
}
