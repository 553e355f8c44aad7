import { z } from 'zod';
import type { Proofs } from '../oidc/code-flow.ts';
import { MAX_TOKEN_CHARACTERS, type TokenSigner } from '../tokens/signer.ts';

/** A log-in with an issuer that has begun in some browser. */
export interface PendingLogin {
  /** Name of the issuer. */
  readonly issuer: string;
  /** The address to which the issuer leads the browser back. */
  readonly redirectUri: string;
  /** The page that follows. */
  readonly to: string;
  readonly proofs: Proofs;
}

const text = z.string().max(4_096);
const claims = z.object({
  pending: z.strictObject({
    issuer: text,
    redirectUri: text,
    to: text,
    proofs: z.strictObject({ state: text, nonce: text, verifier: text }),
  }),
});

/**
 * Log-ins between the way to an issuer and back. Each is a signed token in a cookie of the browser that began it, so any thread of any
 * node can finish it, and nothing is kept here.
 */
export class PendingLogins {
  readonly #signer: TokenSigner;
  readonly #lifetime: number;
  readonly #audience: string;

  /** @param lifetime in milliseconds: how long a person may take at the issuer */
  constructor(signer: TokenSigner, lifetime: number) {
    this.#signer = signer;
    this.#lifetime = lifetime;
    this.#audience = `${signer.issuer}:pending-login`;
  }

  async sign(pending: PendingLogin): Promise<string> {
    const { token } = await this.#signer.sign(
      { pending },
      {
        type: 'marina-pending-login+jwt',
        audience: this.#audience,
        subject: pending.issuer,
        lifetime: this.#lifetime,
      },
    );
    return token;
  }

  /** @returns undefined if the token is not one of a log-in that can still be finished */
  async read(token: string): Promise<PendingLogin | undefined> {
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    const verified = await this.#signer.verify(token, 'marina-pending-login+jwt');
    if (verified.kind === 'refused' || verified.payload.aud !== this.#audience) return undefined;
    return claims.safeParse(verified.payload).data?.pending;
  }
}
