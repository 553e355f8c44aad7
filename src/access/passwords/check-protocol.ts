// Messages between the serving thread and a thread that checks passwords. It gets one at a time.

export interface CheckRequest {
  readonly password: Uint8Array;
  /** As HTPASSWD_FILE has it. */
  readonly hash: string;
}

export type CheckReply =
  | { readonly kind: 'checked'; readonly isRight: boolean }
  | { readonly kind: 'failed'; readonly message: string };
