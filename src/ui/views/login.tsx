import { issuerLoginAddress, LOGIN } from '../addresses.ts';
import { Notice } from '../components/basics.tsx';
import { Icon, Mark } from '../components/icon.tsx';
import { FormToken } from '../document.tsx';
import { formatActor } from '../format.ts';
import type { Viewer } from '../viewer.ts';

interface LoginProps {
  readonly viewer: Viewer;
  /** Names of the issuers with which people can log in. */
  readonly issuers: readonly string[];
  /** The page that follows. */
  readonly to: string;
  /** Why the last attempt failed. */
  readonly problem?: string | undefined;
  /** What an issuer says about it: any text. */
  readonly quote?: string | undefined;
  readonly user?: string | undefined;
}

/** Ways to log in: with an issuer, or with an account or a robot. */
export function Login({ viewer, issuers, to, problem, quote, user = '' }: LoginProps) {
  return (
    <section class="login card">
      <Mark />
      <h1>Log in to {viewer.host}</h1>
      {problem !== undefined && (
        <Notice tone="bad">
          {problem}
          {quote !== undefined && quote !== '' && <q class="login-quote">{quote}</q>}
        </Notice>
      )}
      {viewer.canLogIn ? (
        <>
          <Issuers names={issuers} to={to} />
          <PasswordForm viewer={viewer} to={to} user={user} />
        </>
      ) : (
        <p>
          {viewer.hasAccounts
            ? 'The accounts of this registry are kept by a token server, so this page has no log-in of its own.'
            : 'This registry has no accounts: everyone may do everything.'}
        </p>
      )}
    </section>
  );
}

/** Links, because the policy of the page would not let a form lead to another site. */
function Issuers({ names, to }: { readonly names: readonly string[]; readonly to: string }) {
  if (names.length === 0) return null;
  return (
    <>
      <ul class="login-issuers">
        {names.map((name) => (
          <li key={name}>
            <a class="button" href={issuerLoginAddress(name, to)}>
              <Icon name="enter" />
              <span>Log in with {name}</span>
            </a>
          </li>
        ))}
      </ul>
      <p class="login-or">or with a password</p>
    </>
  );
}

function PasswordForm({ viewer, to, user }: { readonly viewer: Viewer; readonly to: string; readonly user: string }) {
  return (
    <form action={LOGIN} method="post">
      <FormToken viewer={viewer} />
      <input type="hidden" name="to" value={to} />
      <label class="field">
        <span>Name</span>
        <input
          name="user"
          value={user}
          required
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          maxLength={255}
        />
      </label>
      <label class="field">
        <span>Password</span>
        <input name="password" type="password" required autocomplete="current-password" maxLength={4096} />
      </label>
      <button type="submit" class="button button-main">
        Log in
      </button>
      <p class="muted">The same account as for docker login. Robots log in as robot+name with their secret.</p>
    </form>
  );
}

interface LoggedInProps {
  readonly actor: string;
  /** By which the issuer calls the person: any text. */
  readonly nickname: string | undefined;
  /** The page that follows. */
  readonly to: string;
}

/** Between the log-in with an issuer and the page that was wanted. */
export function LoggedIn({ actor, nickname, to }: LoggedInProps) {
  return (
    <section class="login card">
      <Mark />
      <h1>You are logged in</h1>
      <p>
        As <span title={actor}>{nickname ?? formatActor(actor)}</span>. The page that you wanted opens by itself.
      </p>
      <a class="button button-main" href={to}>
        Continue
      </a>
    </section>
  );
}
