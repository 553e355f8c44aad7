import type { Texts } from '../../inspection/interface.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import { actionAddress, digestAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card, CopyButton, DigestText, Size, Time } from '../components/basics.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { JsonText } from '../components/json-text.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { Timeline } from '../components/timeline.tsx';
import { FormToken } from '../document.tsx';
import { cut, sentence, shortDigest } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { DeletedTagData, ManifestData } from '../load/load-manifest.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import type { Viewer } from '../viewer.ts';
import { AttachedCard, DocumentsCard } from './manifest-attached.tsx';
import { ChartCard, ConfigCard } from './manifest-config.tsx';
import { LayersCard, PartsCard, PlatformsCard } from './manifest-parts.tsx';

interface ManifestProps {
  readonly data: ManifestData;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;
const SHOWN_TAGS = 8;

/** One manifest, by tag or digest. */
export function Manifest({ data, viewer }: ManifestProps) {
  const { repo, reference, details, text } = data;
  const { digest, kind, description, readme, platforms, layers, config, chart, annotations, omitted } = details;
  const name = repo.slice(repo.lastIndexOf('/') + 1);
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
        </span>
      </div>
      {description !== undefined && <p class="lead">{cut(description, MAX_DESCRIPTION)}</p>}
      <AboutLinks about={aboutOf(details)} />
      <Summary data={data} now={viewer.now} />
      <div class="columns">
        <div class="column-main">
          {platforms.length > 0 && <PlatformsCard repo={repo} details={details} />}
          {kind === 'image' ? <LayersCard details={details} /> : layers.length > 0 && <PartsCard layers={layers} />}
          {chart !== undefined && <ChartCard chart={chart} />}
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
          {reference.kind === 'tag' && <HistoryCard data={data} tag={reference.tag} viewer={viewer} />}
        </div>
      </div>
    </>
  );
}

function Summary({ data, now }: { readonly data: ManifestData; readonly now: number }) {
  const { repo, details, tags, pushed } = data;
  const { digest, total, subject } = details;
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
      {tags.length > 0 && (
        <div>
          <dt>Tags</dt>
          <dd class="tag-links">
            {tags.slice(0, SHOWN_TAGS).map((tag) => (
              <a key={tag} href={manifestAddress(repo, { kind: 'tag', tag })}>
                {tag}
              </a>
            ))}
            {tags.length > SHOWN_TAGS && <span class="muted">+{tags.length - SHOWN_TAGS}</span>}
          </dd>
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

interface HistoryProps extends ManifestProps {
  readonly tag: Tag;
}

function HistoryCard({ data, tag, viewer }: HistoryProps) {
  const { repo, changes, details, mayRestore, mayDelete } = data;
  return (
    <Card title={`History of ${cut(tag, 40)}`} icon="clock">
      <TagTimeline
        repo={repo}
        tag={tag}
        changes={changes}
        current={details.digest}
        mayRestore={mayRestore}
        viewer={viewer}
      />
      {viewer.passive === undefined && mayDelete && (
        <form class="card-foot" action={actionAddress(repo, 'delete')} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="tag" value={tag} />
          <button type="submit" class="button button-danger">
            <Icon name="trash" />
            Delete this tag…
          </button>
        </form>
      )}
    </Card>
  );
}

/** A tag that was deleted: what it was, and how to get it back. */
export function DeletedTag({ data, viewer }: { readonly data: DeletedTagData; readonly viewer: Viewer }) {
  const { repo, tag, changes, mayRestore } = data;
  return (
    <>
      <Crumbs repo={repo} />
      <div class="title-row">
        <h1 class="title-name">
          <a href={repositoryAddress(repo)}>{repo.slice(repo.lastIndexOf('/') + 1)}</a>
          <span class="title-reference">:{tag}</span>
        </h1>
        <Badge tone="bad">Deleted</Badge>
      </div>
      <Card title={`History of ${cut(tag, 40)}`} icon="clock">
        <TagTimeline
          repo={repo}
          tag={tag}
          changes={changes}
          current={undefined}
          mayRestore={mayRestore}
          viewer={viewer}
        />
      </Card>
    </>
  );
}

interface TagTimelineProps {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  readonly changes: readonly RecentChange[];
  /** What the tag is now; undefined if it was deleted. */
  readonly current: Digest | undefined;
  readonly mayRestore: boolean;
  readonly viewer: Viewer;
}

function TagTimeline({ repo, tag, changes, current, mayRestore, viewer }: TagTimelineProps) {
  const canRestore = viewer.passive === undefined && mayRestore;
  return (
    <Timeline
      now={viewer.now}
      entries={changes.map((change) => ({
        key: keyOf(change),
        tone: toneOf(change),
        at: change.at,
        actor: change.actor,
        text: <ChangeText repo={repo} change={change} />,
        action:
          canRestore && change.kind === 'tag-set' && change.digest !== current ? (
            <RestoreForm repo={repo} value={`${tag} ${change.digest}`} expected={current} viewer={viewer} />
          ) : undefined,
      }))}
    />
  );
}

interface RestoreProps {
  readonly repo: RepositoryName;
  /** The tag and the digest that it gets. */
  readonly value: string;
  /** What the tag is now; undefined: it does not exist. */
  readonly expected: Digest | undefined;
  readonly viewer: Viewer;
}

function RestoreForm({ repo, value, expected, viewer }: RestoreProps) {
  return (
    <form action={actionAddress(repo, 'restore')} method="post">
      <FormToken viewer={viewer} />
      <input type="hidden" name="tag" value={value} />
      {expected !== undefined && <input type="hidden" name="expected" value={expected} />}
      <button type="submit" class="button button-small">
        <Icon name="undo" />
        Restore this
      </button>
    </form>
  );
}
