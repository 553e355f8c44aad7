import type { Algorithm } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';

/** What the serving thread says to the hashing thread. `id` names one staged file. */
export type HashRequest =
  /**
   * Hash the file from wherever its state stands (else from 0) up to `from`. A state of another length, or of other bytes than
   * those of that digest, is begun anew: another process may have written the file meanwhile.
   */
  | {
      readonly kind: 'open';
      readonly id: string;
      readonly algorithm: Algorithm;
      readonly fd: number;
      readonly from: number;
      readonly digest: Digest | undefined;
    }
  /** The file's bytes from there on, as they were handed to the kernel: to be hashed out of the memory that both threads share. */
  | {
      readonly kind: 'bytes';
      readonly id: string;
      readonly fd: number;
      readonly from: number;
      readonly bytes: Uint8Array<SharedArrayBuffer>;
    }
  | { readonly kind: 'follow'; readonly id: string; readonly fd: number; readonly upTo: number }
  | { readonly kind: 'digest'; readonly id: string; readonly fd: number; readonly upTo: number }
  /** No more reads of the descriptor, which may be closed after the answer. The state is kept for the next writer. */
  | { readonly kind: 'close'; readonly id: string };

export type HashReply =
  | { readonly kind: 'position'; readonly id: string; readonly position: number }
  | { readonly kind: 'digest'; readonly id: string; readonly hex: string }
  | { readonly kind: 'closed'; readonly id: string }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string };
