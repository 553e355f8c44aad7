import type { Algorithm } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';

/** Messages to the hashing thread. `id` identifies one staged file. */
export type HashRequest =
  /**
   * Hash the file up to `from`, starting where its state is (else at 0). A state of another length, or whose digest
   * is not `digest`, is discarded: another process may have written the file since.
   */
  | {
      readonly kind: 'open';
      readonly id: string;
      readonly algorithm: Algorithm;
      readonly fd: number;
      readonly from: number;
      readonly digest: Digest | undefined;
    }
  /** Tell the kernel to begin to write the file. */
  | { readonly kind: 'write-back'; readonly id: string; readonly fd: number }
  | { readonly kind: 'follow'; readonly id: string; readonly fd: number; readonly upTo: number }
  | { readonly kind: 'digest'; readonly id: string; readonly fd: number; readonly upTo: number }
  /** Stop reading the descriptor, which may be closed after the reply. The state is kept for the next writer. */
  | { readonly kind: 'close'; readonly id: string };

export type HashReply =
  | { readonly kind: 'position'; readonly id: string; readonly position: number }
  | { readonly kind: 'digest'; readonly id: string; readonly hex: string }
  | { readonly kind: 'closed'; readonly id: string }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string };
