// Messages between the serving thread and a thread that checks passwords, one request at a time.

export interface CheckRequest {
  readonly password: Uint8Array;
  /** As in HTPASSWD_FILE. */
  readonly hash: string;
}

export type CheckReply =
  | { readonly kind: 'checked'; readonly isRight: boolean }
  | { readonly kind: 'failed'; readonly message: string };
