import { X509Certificate } from 'node:crypto';
import { pemBlocks } from '../pem.ts';
import { algorithmsOf, type PublicKey } from '../public-jwk.ts';
import { FileProblem } from '../reloaded-file.ts';

const MAX_CERTIFICATES = 100;

/**
 * Reads the certificates of AUTH_TOKEN_ROOTCERTBUNDLE.
 * @throws FileProblem
 */
export function parseBundle(pem: string): readonly X509Certificate[] {
  const problem = (text: string): FileProblem => new FileProblem(`AUTH_TOKEN_ROOTCERTBUNDLE ${text}`);
  const blocks = pemBlocks(pem);
  if (blocks.length === 0) throw problem('has no certificate (PEM)');
  if (blocks.length > MAX_CERTIFICATES) throw problem(`has more than ${MAX_CERTIFICATES} certificates`);
  return blocks.map(({ text, label }, at) => {
    const which = `${at + 1} of ${blocks.length}`;
    const certificate = label === 'CERTIFICATE' ? readCertificate(text) : undefined;
    if (certificate === undefined) throw problem(`has a block, ${which}, that is not a readable certificate`);
    return certificate;
  });
}

/** Maximum number of certificates in a token: usually its own, an intermediate one, and the root, which is not needed. */
const MAX_CHAIN = 4;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The key of the certificate that signed a token, if the certificate is trusted: if it is in the bundle, if a certificate of the
 * bundle issued it, or if there is one intermediate CA between the two. Longer chains are refused, because path lengths of CAs are not
 * checked; an operator can add the intermediate CA to the bundle.
 *
 * Every certificate of the chain must be valid now. Extended key usage and subject names are not checked, as in distribution.
 * @param x5c header parameter: certificates in base64 (DER); the first one signed the token
 * @param now milliseconds since 1970
 * @returns a string if the certificate is not trusted: the reason
 */
export function trustedLeaf(x5c: unknown, bundle: readonly X509Certificate[], now: number): PublicKey | string {
  const chain = readChain(x5c);
  if (chain === undefined) return 'the certificates of the token cannot be read';
  const [leaf, ...others] = chain;
  if (!isValidAt(leaf, now)) return 'the certificate of the token has expired, or is not valid yet';
  const anchors = bundle.filter((each) => isValidAt(each, now));
  const isAnchored = (certificate: X509Certificate): boolean =>
    anchors.some((anchor) => anchor.fingerprint256 === certificate.fingerprint256 || isIssuer(anchor, certificate));
  const isTrusted =
    isAnchored(leaf) || others.some((each) => isValidAt(each, now) && isIssuer(each, leaf) && isAnchored(each));
  if (!isTrusted) return 'the certificate of the token was not issued by a trusted and valid certificate';
  const algorithms = algorithmsOf(leaf.publicKey);
  return algorithms.length > 0 ? { key: leaf.publicKey, algorithms } : 'the key of the certificate is not accepted';
}

function readChain(x5c: unknown): readonly [X509Certificate, ...X509Certificate[]] | undefined {
  if (!Array.isArray(x5c) || x5c.length > MAX_CHAIN) return undefined;
  const chain = x5c.flatMap((each: unknown) => {
    if (typeof each !== 'string' || !BASE64.test(each)) return [];
    return readCertificate(Buffer.from(each, 'base64')) ?? [];
  });
  const [leaf, ...others] = chain;
  return leaf === undefined || chain.length < x5c.length ? undefined : [leaf, ...others];
}

/** @returns undefined if the certificate or its key cannot be read */
function readCertificate(bytes: string | Buffer): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(bytes);
    // The key is parsed lazily, and its kind may not be supported.
    return certificate.publicKey === undefined ? undefined : certificate;
  } catch {
    return undefined;
  }
}

function isIssuer(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issuer.ca && issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function isValidAt({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now < Date.parse(validTo);
}
