import { labelOf } from '../../access/identity.ts';
import { HOME } from '../../ui/addresses.ts';
import { seeOther } from './html-response.ts';
import { endedLoginCookie, loginCookie } from './login-cookie.ts';
import type { PageContext } from './page-context.ts';
import { pageOf } from './page-route.ts';
import { readPageForm } from './read-form.ts';
import { showLogin, TOO_MANY_CLAIMS } from './show-login.tsx';

const WRONG = 'The name or the password is wrong.';
const NO_LOGINS = 'Nobody can log in here.';

/** Checks the form's name and password like those of any client, and begins a log-in. */
export async function logIn(page: PageContext): Promise<Response> {
  const { context, ports, ui } = page;
  const fields = await readPageForm(page);
  const to = pageOf(fields.get('to'));
  const user = fields.get('user') ?? '';
  const { logins } = ui;
  if (logins === undefined || ports.tokens === undefined)
    return await showLogin(page, { to, user, problem: NO_LOGINS, status: 403 });
  const about = { requestId: context.id, client: context.client };
  const found = await ports.tokens.basic(user, fields.get('password') ?? '', { address: context.client });
  switch (found.kind) {
    case 'known': {
      const bound = ports.tokens.issuer.bind(found.authority);
      if (bound === undefined) {
        ui.onRefused({ ...about, account: undefined, reason: 'a token was sent as the password' });
        return await showLogin(page, { to, user, problem: WRONG, status: 401 });
      }
      const cookie = loginCookie(await logins.begin(bound), context.isSecure);
      if (cookie === undefined) return await showLogin(page, { to, user, problem: TOO_MANY_CLAIMS, status: 403 });
      ui.onLogin({ ...about, actor: labelOf(bound.identity) });
      return seeOther(to, cookie);
    }
    case 'refused':
      ui.onRefused({ ...about, account: found.account, reason: found.reason });
      return await showLogin(page, { to, user, problem: WRONG, status: 401 });
    case 'later': {
      const seconds = Math.max(1, Math.ceil(found.retryAfterSeconds));
      const problem = `Too many log-ins failed, or too many are in progress. Try again in ${seconds} seconds.`;
      return await showLogin(page, { to, user, problem, status: 429, headers: { 'Retry-After': String(seconds) } });
    }
  }
}

/** Ends the log-in on every node, and removes its cookie. */
export async function logOut(page: PageContext): Promise<Response> {
  const { context, ui } = page;
  await readPageForm(page);
  if (context.loginToken !== undefined) await ui.logins?.end(context.loginToken);
  return seeOther(HOME, endedLoginCookie(context.isSecure));
}
