import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { FileProblem } from '../access/reloaded-file.ts';

/** The server's certificate and key. */
export interface ServerCertificate {
  /** The certificate and the intermediate ones, in PEM. */
  readonly chain: string;
  /** In PEM. */
  readonly key: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** Why clients will refuse it now, such as that it has expired; undefined if its dates are fine. */
  readonly warning: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Checks a certificate and its key. An expired certificate is served with a warning: refusing to start would not help its clients,
 * and clients that do not check dates still work.
 * @throws FileProblem, which shows no content of the files
 */
export function parseServerCertificate(
  { TLS_CERT_FILE, TLS_KEY_FILE }: { readonly TLS_CERT_FILE: string; readonly TLS_KEY_FILE: string },
  now: () => number = Date.now,
): ServerCertificate {
  const [certificate] = parseCertificates(TLS_CERT_FILE, 'TLS_CERT_FILE');
  const key = parseKey(TLS_KEY_FILE);
  if (!certificate.checkPrivateKey(key)) {
    throw new FileProblem('the key in TLS_KEY_FILE does not belong to the first certificate in TLS_CERT_FILE');
  }
  refuseUnusable({ cert: TLS_CERT_FILE, key: TLS_KEY_FILE });
  const [startsAt, expiresAt] = [certificate.validFrom, certificate.validTo].map(Date.parse);
  if (startsAt === undefined || expiresAt === undefined || Number.isNaN(startsAt + expiresAt)) {
    throw new FileProblem('the dates of the certificate in TLS_CERT_FILE cannot be read');
  }
  return { chain: TLS_CERT_FILE, key: TLS_KEY_FILE, expiresAt, warning: warningOf(startsAt, expiresAt, now()) };
}

/** @returns the CAs of client certificates, in PEM. @throws FileProblem */
export function parseClientCa({ TLS_CLIENT_CA_FILE }: { readonly TLS_CLIENT_CA_FILE: string }): string {
  parseCertificates(TLS_CLIENT_CA_FILE, 'TLS_CLIENT_CA_FILE');
  refuseUnusable({ ca: TLS_CLIENT_CA_FILE });
  return TLS_CLIENT_CA_FILE;
}

function parseCertificates(text: string, setting: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [first, ...rest] = (text.match(CERTIFICATE) ?? []).map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new FileProblem(`certificate ${index + 1} in ${setting} is malformed`);
    }
  });
  if (first === undefined) throw new FileProblem(`${setting} has no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  return [first, ...rest];
}

function parseKey(text: string): KeyObject {
  if (/^(?:-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)/m.test(text)) {
    throw new FileProblem('the key in TLS_KEY_FILE is encrypted with a passphrase, which is not supported');
  }
  try {
    return createPrivateKey(text);
  } catch {
    throw new FileProblem('TLS_KEY_FILE has no readable private key in PEM');
  }
}

/** The TLS library has rules of its own, such as a minimum length of RSA keys. */
function refuseUnusable(options: { readonly cert: string; readonly key: string } | { readonly ca: string }): void {
  try {
    createSecureContext(options);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new FileProblem(`the TLS library refuses it (${code})`);
  }
}

function warningOf(startsAt: number, expiresAt: number, now: number): string | undefined {
  if (now > expiresAt) return `it expired at ${new Date(expiresAt).toISOString()}`;
  return now < startsAt ? `it is not valid before ${new Date(startsAt).toISOString()}` : undefined;
}
