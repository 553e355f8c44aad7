import { X509Certificate } from 'node:crypto';
import type { CertificateDetails } from './interface.ts';

/** Who a signing certificate names. Nothing is verified. */
export interface Signer {
  readonly identity: string | undefined;
  readonly issuer: string | undefined;
  readonly certificate: CertificateDetails;
}

/** A certificate of Sigstore's authority has about 1 KB. */
const MAX_BYTES = 32 * 1024;
const MAX_NAMES = 4_096;

/**
 * Extensions of Sigstore's certificates with the issuer of the signer's identity: 1.3.6.1.4.1.57264.1.8 as DER, its predecessor …1.1 as
 * plain text.
 */
const ISSUER_EXTENSIONS = ['060a2b0601040183bf300108', '060a2b0601040183bf300101'];

/** @param encoded PEM, or DER */
export function signerOf(encoded: string | Uint8Array): Signer | undefined {
  if (encoded.length > MAX_BYTES) return undefined;
  try {
    const certificate = new X509Certificate(typeof encoded === 'string' ? encoded : Buffer.from(encoded));
    return {
      identity: identityIn(certificate.subjectAltName),
      issuer: issuerIn(certificate.raw),
      certificate: {
        subject: oneLine(certificate.subject) || undefined,
        issuer: oneLine(certificate.issuer),
        validFrom: new Date(certificate.validFrom).toISOString(),
        validTo: new Date(certificate.validTo).toISOString(),
        fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      },
    };
  } catch {
    // The signer may have attached anything.
    return undefined;
  }
}

/** `email:someone@example.com`, `URI:https://github.com/…`. */
function identityIn(names: string | undefined): string | undefined {
  if (names === undefined || names.length > MAX_NAMES) return undefined;
  return /(?:^|, )(?:email|URI):"?([^",]+)/.exec(names)?.[1];
}

function oneLine(name: string | undefined): string {
  return (name ?? '').slice(0, MAX_NAMES).trim().split('\n').join(', ');
}

/** Looks for the extension's identifier; its value follows as an octet string. */
function issuerIn(der: Uint8Array): string | undefined {
  const bytes = Buffer.from(der);
  for (const identifier of ISSUER_EXTENSIONS) {
    const at = bytes.indexOf(Buffer.from(identifier, 'hex'));
    const value = at < 0 ? undefined : octetsAt(bytes, at + identifier.length / 2, 0x04);
    if (value === undefined) continue;
    const text = (octetsAt(value, 0, 0x0c) ?? value).toString('utf8');
    if (/^https?:\/\/\S+$/.test(text)) return text;
  }
  return undefined;
}

/** The content of a DER value with this tag, up to 127 bytes or with a length of one byte more. */
function octetsAt(bytes: Buffer, at: number, tag: number): Buffer | undefined {
  if (bytes[at] !== tag) return undefined;
  const first = bytes[at + 1] ?? 0;
  // A first byte of 0x81 says that the length is in the next one.
  if (first > 0x81 || first === 0x80) return undefined;
  const [start, length] = first === 0x81 ? [at + 3, bytes[at + 2] ?? 0] : [at + 2, first];
  return length === 0 || start + length > bytes.length ? undefined : bytes.subarray(start, start + length);
}
