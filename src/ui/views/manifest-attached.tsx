import type { Attached, ContentKind, Documents, ManifestDetails, Sbom, Signature } from '../../inspection/interface.ts';
import { digestAddress, type Place } from '../addresses.ts';
import { Badge, Card, DigestText, Size, type Tone } from '../components/basics.tsx';
import { cut, formatCount, formatTime } from '../format.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { Group, Pair } from './manifest-config.tsx';

const MAX_TEXT = 200;
const MAX_PACKAGES = 500;
const MAX_DEPTH = 4;
const TONES: Partial<Readonly<Record<ContentKind, Tone>>> = {
  signature: 'good',
  sbom: 'accent',
  attestation: 'accent',
};

interface AttachedProps {
  readonly repo: Place;
  readonly details: ManifestDetails;
}

/** What is attached to a manifest, and to that: signatures, bills of materials, attestations. */
export function AttachedCard({ repo, details: { attached, digest } }: AttachedProps) {
  // Those in the index stand beside what they attest.
  const shown = attached.filter(({ via }) => via !== 'index');
  if (shown.length === 0) return null;
  return (
    <Card title="Attached" icon="shield">
      <Tree repo={repo} all={shown} subject={digest} depth={1} />
    </Card>
  );
}

interface TreeProps {
  readonly repo: Place;
  readonly all: readonly Attached[];
  readonly subject: string;
  readonly depth: number;
}

function Tree({ repo, all, subject, depth }: TreeProps) {
  const own = all.filter((each) => each.subject === subject);
  if (own.length === 0 || depth > MAX_DEPTH) return null;
  return (
    <ul class="tree">
      {own.map(({ digest, kind, artifactType, mediaType, total, documents, via }) => (
        <li key={digest}>
          <Badge tone={TONES[kind] ?? 'plain'}>{KIND_NAMES[kind]}</Badge>
          <DigestText digest={digest} href={digestAddress(repo, digest)} />
          <Size bytes={total} />
          <span class="under">
            {via === 'tag' ? 'by a tag, as older clients attach' : cut(artifactType ?? mediaType, MAX_TEXT)}
          </span>
          {documents.signatures.map((each, at) => (
            <SignatureLine key={at} signature={each} />
          ))}
          {documents.attestations.map(({ predicateType, builder }, at) => (
            <span key={at} class="under">
              {cut(predicateType, MAX_TEXT)}
              {builder !== undefined && ` by ${cut(builder, MAX_TEXT)}`}
            </span>
          ))}
          {documents.sboms.map((sbom, at) => (
            <span key={at} class="under">
              {sbom.format} {cut(sbom.version ?? '', MAX_TEXT)}, {formatCount(sbom.count, 'package')}
            </span>
          ))}
          <Tree repo={repo} all={all} subject={digest} depth={depth + 1} />
        </li>
      ))}
    </ul>
  );
}

/** A signature is shown as it was found: nobody has verified it. */
function SignatureLine({ signature }: { readonly signature: Signature }) {
  const { issuer, signedAt } = signature;
  const time = Date.parse(signedAt ?? '');
  return (
    <span class="under">
      {signerOf(signature)}
      {issuer !== undefined && `, by ${cut(issuer, MAX_TEXT)}`}
      {!Number.isNaN(time) && `, ${formatTime(time)}`} · not verified here
    </span>
  );
}

function signerOf({ identity, key }: Signature): string {
  if (identity !== undefined) return `says ${cut(identity, MAX_TEXT)}`;
  return key === undefined ? 'signer unknown' : `with the key ${cut(key, MAX_TEXT)}`;
}

/** What a manifest contains itself, if it is a signature, an attestation or a bill of materials. */
export function DocumentsCard({ documents: { signatures, attestations, sboms } }: { readonly documents: Documents }) {
  return (
    <>
      {signatures.length > 0 && (
        <Card title="Signature" icon="shield" aside={<span class="muted">not verified here</span>}>
          {signatures.map((each, at) => (
            <SignaturePairs key={at} signature={each} />
          ))}
        </Card>
      )}
      {attestations.map(({ predicateType, builder, buildType, subjects, isSigned }, at) => (
        <Card
          key={at}
          title="Attestation"
          icon="shield"
          aside={isSigned ? <span class="muted">signed, not verified here</span> : undefined}
        >
          <dl class="pairs">
            <Pair name="Predicate">{cut(predicateType, MAX_TEXT)}</Pair>
            {builder !== undefined && <Pair name="Builder">{cut(builder, MAX_TEXT)}</Pair>}
            {buildType !== undefined && <Pair name="Build type">{cut(buildType, MAX_TEXT)}</Pair>}
            {subjects.slice(0, 20).map(({ name, digest }, index) => (
              <Pair key={index} name="Subject">
                {cut([name, digest].filter((part) => part !== undefined).join(' '), MAX_TEXT)}
              </Pair>
            ))}
          </dl>
        </Card>
      ))}
      {sboms.map((sbom, at) => (
        <SbomCard key={at} sbom={sbom} />
      ))}
    </>
  );
}

function SignaturePairs({ signature }: { readonly signature: Signature }) {
  const { format, identity, issuer, certificate, key, signedAt, logIndex, signedDigest, signedReference, claims } =
    signature;
  const time = Date.parse(signedAt ?? '');
  return (
    <dl class="pairs">
      <Pair name="Format">{format}</Pair>
      {identity !== undefined && <Pair name="Signer">{cut(identity, MAX_TEXT)}</Pair>}
      {key !== undefined && <Pair name="Key">{cut(key, MAX_TEXT)}</Pair>}
      {issuer !== undefined && <Pair name="Identity from">{cut(issuer, MAX_TEXT)}</Pair>}
      {!Number.isNaN(time) && <Pair name="Signed">{formatTime(time)}</Pair>}
      {logIndex !== undefined && <Pair name="Log entry">{String(logIndex)}</Pair>}
      {signedDigest !== undefined && <Pair name="Signs">{cut(signedDigest, MAX_TEXT)}</Pair>}
      {signedReference !== undefined && <Pair name="As">{cut(signedReference, MAX_TEXT)}</Pair>}
      {certificate !== undefined && <Pair name="Certificate of">{cut(certificate.issuer, MAX_TEXT)}</Pair>}
      {Object.entries(claims).map(([name, value]) => (
        <Pair key={name} name={cut(name, MAX_TEXT)}>
          {cut(value, MAX_TEXT)}
        </Pair>
      ))}
    </dl>
  );
}

function SbomCard({ sbom }: { readonly sbom: Sbom }) {
  const { format, version, name, tools, packages, count, isCut } = sbom;
  return (
    <Card
      title="Bill of materials"
      icon="list"
      aside={<span class="muted">{`${format} ${cut(version ?? '', 40)}, ${formatCount(count, 'package')}`}</span>}
    >
      <dl class="pairs">
        {name !== undefined && <Pair name="Of">{cut(name, MAX_TEXT)}</Pair>}
        {tools.length > 0 && <Pair name="Made by">{cut(tools.join(', '), MAX_TEXT)}</Pair>}
      </dl>
      <Group title="Packages" count={count}>
        {packages.slice(0, MAX_PACKAGES).map((each, at) => (
          <Pair key={at} name={cut(each.name, MAX_TEXT)}>
            {cut([each.version, each.license].filter((part) => part !== undefined).join(' · '), MAX_TEXT)}
          </Pair>
        ))}
      </Group>
      {(isCut || packages.length > MAX_PACKAGES) && <p class="card-text muted">Not all packages are shown.</p>}
    </Card>
  );
}
