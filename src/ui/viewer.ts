/** Who looks at a page, and what every page needs to know of them. */
export interface Viewer {
  /** The label of the identity; undefined for anonymous visitors. */
  readonly name: string | undefined;
  /** By which an issuer calls the person, if it does. Any text. */
  readonly nickname: string | undefined;
  /** Whether the registry has accounts. Without them everyone who reaches it may do everything. */
  readonly hasAccounts: boolean;
  /** Whether the log-in form can be used. */
  readonly canLogIn: boolean;
  /** Whether the pages for administrators are shown to them. */
  readonly isAdmin: boolean;
  /** Proves that a form comes from a page of this registry. */
  readonly formToken: string;
  /** Path and query of the page, to come back to after a log-in. */
  readonly address: string;
  /** By which clients reach the registry. */
  readonly host: string;
  /** Why the page offers no actions; undefined if it does, as far as rights go. */
  readonly passive: Passive | undefined;
  /** Whether repositories can be seen as they were. */
  readonly hasPast: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Why there are no actions. `read-only`: UI_READ_ONLY is set. `unknown-host`: a visitor without an account came by a host that another
 * site could have pointed at this registry (http/ui/form-guard.ts).
 */
export type Passive = 'read-only' | 'unknown-host';

/** Where the files of the page are, under names that change with their content. */
export interface AssetLinks {
  readonly style: string;
  readonly script: string;
}
