import { LOGIN } from '../addresses.ts';
import { Notice } from '../components/basics.tsx';
import { Mark } from '../components/icon.tsx';
import { FormToken } from '../document.tsx';
import type { Viewer } from '../viewer.ts';

interface LoginProps {
  readonly viewer: Viewer;
  /** The page that follows. */
  readonly to: string;
  /** Why the last attempt failed. */
  readonly problem?: string | undefined;
  readonly user?: string;
}

/** The form to log in with an account or a robot. */
export function Login({ viewer, to, problem, user = '' }: LoginProps) {
  return (
    <section class="login card">
      <Mark />
      <h1>Log in to {viewer.host}</h1>
      {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
      {viewer.canLogIn ? (
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
