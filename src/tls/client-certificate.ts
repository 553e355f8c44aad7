import type { Authenticated } from '../access/authenticator.ts';
import type { PresentedCertificate } from './presented-certificate.ts';

/** A client's certificate. It authenticates each request of its connection while it is valid. */
export class ClientCertificate {
  readonly #verdict: Authenticated;
  readonly #expiresAt: number;

  constructor({ commonName, expiresAt, problem }: PresentedCertificate) {
    this.#expiresAt = expiresAt;
    this.#verdict = verdictOf(commonName, problem);
  }

  /** Returns the same object each time while the certificate is valid. */
  authenticate(now: number): Authenticated {
    // A connection can outlive the certificate that opened it.
    return now > this.#expiresAt && this.#verdict.kind === 'known' ? EXPIRED : this.#verdict;
  }
}

const EXPIRED = refused('CERT_HAS_EXPIRED');

function verdictOf(commonName: string | undefined, problem: string | undefined): Authenticated {
  if (problem !== undefined) return refused(problem);
  if (commonName === undefined) return refused('its subject does not have exactly one common name');
  return { kind: 'known', authority: { kind: 'identity', identity: { kind: 'certificate', commonName } } };
}

function refused(problem: string): Authenticated {
  return { kind: 'refused', reason: `the client certificate is not accepted: ${problem}` };
}
