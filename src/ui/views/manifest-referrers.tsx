import { manifestAddress } from '../addresses.ts';
import { Badge, Card, DigestText, Size, type Tone } from '../components/basics.tsx';
import { cut } from '../format.ts';
import type { ManifestData } from '../load/load-manifest.ts';
import { type ArtifactKind, KIND_NAMES } from '../models/artifact-kind.ts';

const MAX_TYPE = 120;
const TONES: Partial<Readonly<Record<ArtifactKind, Tone>>> = {
  signature: 'good',
  sbom: 'accent',
  attestation: 'accent',
};

/** What is attached to a manifest: signatures, SBOMs, attestations. */
export function ReferrersCard({ data: { repo, referrers, hasMoreReferrers } }: { readonly data: ManifestData }) {
  if (referrers.length === 0) return null;
  return (
    <Card title="Attached" icon="shield">
      <ul class="tree">
        {referrers.map(({ digest, kind, type, size, tag }) => (
          <li key={digest}>
            <Badge tone={TONES[kind ?? 'artifact'] ?? 'plain'}>{KIND_NAMES[kind ?? 'artifact']}</Badge>
            <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
            <Size bytes={size} />
            <span class="under">{tag === undefined ? cut(type, MAX_TYPE) : 'attached by a tag of cosign'}</span>
            {kind === 'signature' && <span class="under">not verified here</span>}
          </li>
        ))}
      </ul>
      {hasMoreReferrers && <p class="card-text muted">More are attached than are shown here.</p>}
    </Card>
  );
}
