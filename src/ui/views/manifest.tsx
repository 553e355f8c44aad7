import type { Texts } from '../../inspection/interface.ts';
import { digestAddress, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card, CopyButton, DigestText, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { JsonText } from '../components/json-text.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { FateBadge, FateLine } from '../components/retention-fate.tsx';
import { isShared } from '../components/shared-with.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { cut, sentence, shortDigest } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { ManifestData } from '../load/load-manifest.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import { fateOf } from '../models/retention-text.ts';
import type { Viewer } from '../viewer.ts';
import { AttachedCard, DocumentsCard } from './manifest-attached.tsx';
import { ChartCard, ConfigCard, FactsCard } from './manifest-config.tsx';
import { LayersCard, PartsCard, PlatformsCard } from './manifest-parts.tsx';
import { HistoryCard } from './tag-history.tsx';
import { TagsCard } from './tags-card.tsx';

interface ManifestProps {
  readonly data: ManifestData;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;
const MAX_TYPE = 255;

/** One manifest, by tag or digest. */
export function Manifest({ data, viewer }: ManifestProps) {
  const { repo, reference, details, text } = data;
  const { digest, kind, description, readme, platforms, layers, config, chart, annotations, omitted } = details;
  const name = repo.slice(repo.lastIndexOf('/') + 1);
  const { rule, fates } = data.review;
  const fate = reference.kind === 'tag' ? fateOf(fates.get(reference.tag), rule) : undefined;
  return (
    <>
      <Crumbs repo={repo} />
      <div class="title-row">
        <h1 class="title-name">
          <a href={repositoryAddress(repo)}>{name}</a>
          <span class="title-reference">
            {reference.kind === 'tag' ? `:${reference.tag}` : `@${shortDigest(digest)}`}
          </span>
        </h1>
        <span class="badges">
          <Badge tone="accent">{KIND_NAMES[kind]}</Badge>
          {config?.platform !== undefined && <Badge>{cut(config.platform, 60)}</Badge>}
          {details.badges.signed && <Badge tone="good">Signed</Badge>}
          {details.badges.sbom && <Badge tone="accent">SBOM</Badge>}
          {details.badges.attested && <Badge tone="accent">Attested</Badge>}
          <FateBadge fate={fate} now={viewer.now} />
        </span>
      </div>
      <FateLine fate={fate} now={viewer.now} />
      {description !== undefined && <p class="lead">{cut(description, MAX_DESCRIPTION)}</p>}
      <AboutLinks about={aboutOf(details)} />
      <Summary data={data} now={viewer.now} />
      <div class="columns">
        <div class="column-main">
          {platforms.length > 0 && <PlatformsCard repo={repo} details={details} sharers={data.sharers} />}
          {kind === 'image' ? (
            <LayersCard details={details} sharers={data.sharers} />
          ) : (
            layers.length > 0 && <PartsCard layers={layers} sharers={data.sharers} />
          )}
          {chart !== undefined && <ChartCard chart={chart} />}
          <FactsCard title={KIND_NAMES[kind]} facts={details.facts} />
          <DocumentsCard documents={details.documents} />
          {config !== undefined && kind === 'image' && <ConfigCard config={config} now={viewer.now} />}
          {readme !== undefined && reference.kind === 'digest' && <ReadmeCard readme={readme} />}
          <AnnotationsCard annotations={annotations} />
          <details class="card raw">
            <summary class="card-head">
              <h2>
                <Icon name="file" />
                Manifest as JSON
              </h2>
              <span class="muted">{cut(details.mediaType, 100)}</span>
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
        </div>
        <div class="column-side">
          <Card title="Pull" icon="box">
            <CommandTabs id="pull" commands={pullCommands(viewer.host, repo, reference, kind)} />
          </Card>
          <AttachedCard repo={repo} details={details} />
          <TagsCard data={data} viewer={viewer} />
          {reference.kind === 'tag' && (
            <HistoryCard data={data} tag={reference.tag} isImmutable={fate?.kind === 'immutable'} viewer={viewer} />
          )}
        </div>
      </div>
    </>
  );
}

function Summary({ data, now }: { readonly data: ManifestData; readonly now: number }) {
  const { repo, details, pushed } = data;
  const { digest, total, subject, artifactType, kind } = details;
  const shared = sharedBytes(data);
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
          <dd class="any-text">{cut(artifactType, MAX_TYPE)}</dd>
        </div>
      )}
      {subject !== undefined && (
        <div>
          <dt>Attached to</dt>
          <dd>
            <DigestText digest={subject} href={digestAddress(repo, subject)} />
          </dd>
        </div>
      )}
    </dl>
  );
}

/** Bytes of the parts that other repositories have, too. */
function sharedBytes({ details: { layers, platforms }, sharers }: ManifestData): number {
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
            <dt>{cut(name, MAX_VALUE)}</dt>
            <dd>{cut(value, MAX_VALUE)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** Shown as what it is. */
const README = 'dev.marina.readme';
