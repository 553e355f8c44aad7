import type { AccessPolicy } from '../../access/access.ts';
import type { IssuerLogins } from '../../access/logins/issuer-logins.ts';
import type { Logins } from '../../access/logins/logins.ts';
import type { PastNames } from '../../past/past-names.ts';
import type { Assets } from './assets.ts';
import type { FormTokens } from './form-tokens.ts';

/** What the page uses besides the registry. */
export interface UiPorts {
  readonly policy: AccessPolicy;
  /** Whether the registry has accounts. Without them everyone may do everything. */
  readonly hasAccounts: boolean;
  /** undefined if nobody can log in: without accounts, or if a token server keeps them. */
  readonly logins: Logins | undefined;
  /** undefined as `logins`. */
  readonly issuerLogins: IssuerLogins | undefined;
  readonly formTokens: FormTokens;
  /** Style and scripts, which are bundled when they are first needed. */
  readonly assets: () => Promise<Assets>;
  /** UI_READ_ONLY: the page offers no actions. */
  readonly isReadOnly: boolean;
  /** Hosts of PUBLIC_HOSTS and PUBLIC_URL, in lower case. */
  readonly namedHosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The names of repositories as they were. */
  readonly names: PastNames;
  readonly onLogin: (login: {
    readonly requestId: string;
    readonly client: string | undefined;
    readonly actor: string;
  }) => void;
  /** The reason shows nothing of the credentials. */
  readonly onRefused: (refusal: {
    readonly requestId: string;
    readonly client: string | undefined;
    readonly account: string | undefined;
    readonly reason: string;
  }) => void;
}
