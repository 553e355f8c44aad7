import type { TLSSocket } from 'node:tls';

/** A certificate that a client presented, and whose key it has proved to have. */
export interface PresentedCertificate {
  /** undefined if its subject has no common name, or several. */
  readonly commonName: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Why it is not trusted: an OpenSSL code such as CERT_HAS_EXPIRED; undefined if it is trusted. */
  readonly problem: string | undefined;
}

/** The certificate of the client at the other end; undefined if it presented none. */
export function presentedCertificate(client: TLSSocket): PresentedCertificate | undefined {
  const certificate = client.getPeerCertificate();
  // If there is none, Bun returns null and Node an empty object.
  if (certificate === null || certificate.raw === undefined) return undefined;
  const { subject, valid_to } = certificate;
  // Several common names are an array, contrary to the type.
  const commonName: unknown = subject?.CN;
  return {
    commonName: typeof commonName === 'string' && commonName !== '' ? commonName : undefined,
    expiresAt: Date.parse(valid_to),
    problem: client.authorized ? undefined : String(client.authorizationError),
  };
}
