import type { ManifestDetails, Texts } from '../../inspection/interface.ts';
import type { Reference } from '../../registry/interface.ts';
import { digestAddress, type Place } from '../addresses.ts';
import { Breakable, BreakableName, Card, CopyButton, DigestText, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { JsonText } from '../components/json-text.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { isShared } from '../components/shared-with.tsx';
import { cut, sentence } from '../format.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { DocumentsCard } from './manifest-attached.tsx';
import { ChartCard, ConfigCard, FactsCard } from './manifest-config.tsx';
import { LayersCard, PartsCard, PlatformsCard, type SharersOf } from './manifest-parts.tsx';

const MAX_TYPE = 255;

interface BodyProps {
  readonly place: Place;
  readonly reference: Reference;
  readonly details: ManifestDetails;
  /** Known only for now: of the past empty. */
  readonly sharers: SharersOf;
  /** The manifest as it was pushed. */
  readonly text: string;
  readonly now: number;
}

/** What a manifest contains. */
export function ManifestBody({ place, reference, details, sharers, text, now }: BodyProps) {
  const { kind, readme, platforms, layers, config, chart, annotations, omitted } = details;
  return (
    <>
      {platforms.length > 0 && <PlatformsCard repo={place} details={details} sharers={sharers} />}
      {kind === 'image' ? (
        <LayersCard details={details} sharers={sharers} />
      ) : (
        layers.length > 0 && <PartsCard layers={layers} sharers={sharers} />
      )}
      {chart !== undefined && <ChartCard chart={chart} />}
      <FactsCard title={KIND_NAMES[kind]} facts={details.facts} />
      <DocumentsCard documents={details.documents} />
      {config !== undefined && kind === 'image' && <ConfigCard config={config} now={now} />}
      {readme !== undefined && reference.kind === 'digest' && <ReadmeCard readme={readme} />}
      <AnnotationsCard annotations={annotations} />
      <details class="card raw">
        <summary class="card-head">
          <h2>
            <Icon name="file" />
            Manifest as JSON
          </h2>
          <span class="muted">
            <BreakableName text={cut(details.mediaType, 100)} />
          </span>
        </summary>
        <JsonText text={text} />
      </details>
      {omitted.length > 0 && (
        <ul class="muted">
          {omitted.map((each) => (
            <li key={each}>{sentence(each)}</li>
          ))}
        </ul>
      )}
    </>
  );
}

interface SummaryProps extends Pick<BodyProps, 'place' | 'details' | 'sharers' | 'now'> {
  /** Milliseconds since 1970. */
  readonly pushed: number | undefined;
}

/** The most important facts of a manifest. */
export function Summary({ place, details, sharers, pushed, now }: SummaryProps) {
  const { digest, total, subject, artifactType, kind } = details;
  const shared = sharedBytes(details, sharers);
  return (
    <dl class="summary">
      <div>
        <dt>Digest</dt>
        <dd class="digest-whole">
          <code>{digest}</code>
          <CopyButton text={digest} what="digest" />
        </dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd>
          <Size bytes={total} />
          {shared > 0 && (
            <span class="muted">
              <Size bytes={shared} /> shared
            </span>
          )}
        </dd>
      </div>
      {pushed !== undefined && (
        <div>
          <dt>Pushed</dt>
          <dd>
            <Time at={pushed} now={now} />
          </dd>
        </div>
      )}
      {artifactType !== undefined && kind !== 'image' && kind !== 'index' && (
        <div>
          <dt>Type</dt>
          <dd class="any-text">
            <span>
              <BreakableName text={cut(artifactType, MAX_TYPE)} />
            </span>
          </dd>
        </div>
      )}
      {subject !== undefined && (
        <div>
          <dt>Attached to</dt>
          <dd>
            <DigestText digest={subject} href={digestAddress(place, subject)} />
          </dd>
        </div>
      )}
    </dl>
  );
}

/** Bytes of the parts that other repositories have, too. */
function sharedBytes({ layers, platforms }: ManifestDetails, sharers: SharersOf): number {
  const sizes = new Map([
    ...layers.map(({ digest, size }) => [digest, size] as const),
    ...platforms.map(({ digest, total }) => [digest, total ?? 0] as const),
  ]);
  return Array.from(sizes).reduce((sum, [digest, size]) => sum + (isShared(digest, sharers) ? size : 0), 0);
}

const MAX_VALUE = 1_000;

function AnnotationsCard({ annotations }: { readonly annotations: Texts }) {
  const pairs = Object.entries(annotations).filter(([name]) => name !== README);
  if (pairs.length === 0) return null;
  return (
    <Card title="Annotations" icon="list">
      <dl class="pairs">
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt>
              <BreakableName text={cut(name, MAX_VALUE)} />
            </dt>
            <dd>
              <Breakable text={cut(value, MAX_VALUE)} />
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** Shown as what it is. */
const README = 'dev.marina.readme';
