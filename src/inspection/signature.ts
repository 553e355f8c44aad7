import { signerOf } from './certificate.ts';
import type { Signature, Texts } from './interface.ts';
import { COSIGN_PREDICATE } from './media-types.ts';
import { parsePartialJson } from './partial-json.ts';
import { envelopedStatement, type Statement } from './statement.ts';
import { fieldsOf, itemsOf, textOf, textRecordOf, timeOf, writtenCountOf } from './untrusted.ts';

const PEM_CERTIFICATE = 'dev.sigstore.cosign/certificate';
const LOG_ENTRY = 'dev.sigstore.cosign/bundle';

/**
 * A signature of cosign's first format: the layer is what it signs, its annotations have the signature, the certificate and the entry
 * in the transparency log.
 */
export function cosignSignature(payload: unknown, annotations: Texts): Signature {
  const { critical, optional } = fieldsOf(payload);
  const { identity, image } = fieldsOf(critical);
  const signer = signerOf(annotations[PEM_CERTIFICATE] ?? '');
  const entry = fieldsOf(fieldsOf(jsonIn(annotations[LOG_ENTRY])).Payload);
  return {
    format: 'cosign',
    ...signer,
    signedAt: timeOf(entry.integratedTime),
    logIndex: writtenCountOf(entry.logIndex),
    signedDigest: textOf(fieldsOf(image)['docker-manifest-digest']),
    signedReference: textOf(fieldsOf(identity)['docker-reference']),
    claims: textRecordOf(optional),
  };
}

/** A bundle of Sigstore: what is signed, the certificate and the entry in the transparency log in one document. */
export function bundledSignature(json: unknown): {
  readonly signature: Signature;
  readonly statement?: Statement | undefined;
} {
  const { verificationMaterial, dsseEnvelope } = fieldsOf(json);
  const { certificate, x509CertificateChain, publicKey, tlogEntries } = fieldsOf(verificationMaterial);
  const { rawBytes } = fieldsOf(certificate ?? itemsOf(fieldsOf(x509CertificateChain).certificates)[0]);
  const signer = typeof rawBytes === 'string' ? signerOf(Buffer.from(rawBytes, 'base64')) : undefined;
  const entry = fieldsOf(itemsOf(tlogEntries)[0]);
  const statement = envelopedStatement(dsseEnvelope);
  // What cosign signs is a statement, too, but one that says nothing of the image.
  const isPlain = statement?.attestation.predicateType === COSIGN_PREDICATE;
  return {
    statement: isPlain ? undefined : statement,
    signature: {
      format: 'sigstore-bundle',
      ...signer,
      key: textOf(fieldsOf(publicKey).hint),
      signedAt: timeOf(writtenCountOf(entry.integratedTime)),
      logIndex: writtenCountOf(entry.logIndex),
      signedDigest: statement?.attestation.subjects[0]?.digest,
      signedReference: statement?.attestation.subjects[0]?.name,
      claims: isPlain ? statement.annotations : {},
    },
  };
}

/** A signature of Notation as a JSON Web Signature; of another envelope nothing but its presence is read. */
export function notationSignature(json: unknown): Signature {
  const { payload, header } = fieldsOf(json);
  const { x5c, 'io.cncf.notary.signingAgent': agent } = fieldsOf(header);
  const [certificate] = itemsOf(x5c);
  const signed = typeof payload === 'string' ? Buffer.from(payload, 'base64url').toString('utf8') : undefined;
  const { digest, annotations } = fieldsOf(fieldsOf(jsonIn(signed)).targetArtifact);
  const claims = textRecordOf(annotations);
  const name = textOf(agent);
  return {
    format: 'notation',
    ...(typeof certificate === 'string' ? signerOf(Buffer.from(certificate, 'base64')) : {}),
    signedDigest: textOf(digest),
    claims: name === undefined ? claims : { ...claims, signingAgent: name },
  };
}

function jsonIn(text: string | undefined): unknown {
  return text === undefined ? undefined : parsePartialJson(Buffer.from(text), false)?.value;
}
