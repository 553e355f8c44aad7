import type { RepositoryName } from '../../oci/names.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { Badge, Card, CopyButton, DigestText, Size, Time } from '../components/basics.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { JsonText } from '../components/json-text.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { Timeline } from '../components/timeline.tsx';
import { FormToken } from '../document.tsx';
import { cut, shortDigest } from '../format.ts';
import type { ManifestData } from '../load/load-manifest.ts';
import { KIND_NAMES } from '../models/artifact-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import type { Viewer } from '../viewer.ts';
import { ConfigCard, OtherConfigCard } from './manifest-config.tsx';
import { LayersCard, PartsCard, PlatformsCard } from './manifest-parts.tsx';
import { ReferrersCard } from './manifest-referrers.tsx';
import { AboutLinks } from './repository.tsx';

interface ManifestProps {
  readonly data: ManifestData;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;
const SHOWN_TAGS = 8;

/** One manifest, by tag or digest. */
export function Manifest({ data, viewer }: ManifestProps) {
  const { repo, reference, manifest, about, config, platforms, steps, otherConfig, overview } = data;
  const { model, digest, kind } = manifest;
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
      {about.description !== undefined && <p class="lead">{cut(about.description, MAX_DESCRIPTION)}</p>}
      <AboutLinks about={about} />
      <Summary data={data} now={viewer.now} />
      <div class="columns">
        <div class="column-main">
          {model.shape === 'index' && <PlatformsCard repo={repo} rows={platforms} overview={overview} />}
          {model.shape === 'image' && config !== undefined && <LayersCard steps={steps} />}
          {model.shape === 'image' && config === undefined && <PartsCard parts={model.layers} />}
          {config !== undefined && <ConfigCard config={config} now={viewer.now} />}
          <OtherConfigCard config={model.config} json={otherConfig} kind={kind} />
          <AnnotationsCard annotations={model.annotations} />
          <details class="card raw">
            <summary class="card-head">
              <h2>
                <Icon name="file" />
                Manifest as JSON
              </h2>
              <span class="muted">{model.mediaType}</span>
            </summary>
            <JsonText text={manifest.text} />
          </details>
        </div>
        <div class="column-side">
          <Card title="Pull" icon="box">
            <CommandTabs id="pull" commands={pullCommands(viewer.host, repo, reference, kind)} />
          </Card>
          <ReferrersCard data={data} />
          {reference.kind === 'tag' && <HistoryCard data={data} tag={reference.tag} viewer={viewer} />}
        </div>
      </div>
    </>
  );
}

function Summary({ data, now }: { readonly data: ManifestData; readonly now: number }) {
  const { repo, manifest, total, tags, overview } = data;
  const pushed = overview.manifest(manifest.digest)?.pushed;
  const { subject } = manifest.model;
  return (
    <dl class="summary">
      <div>
        <dt>Digest</dt>
        <dd class="digest-whole">
          <code>{manifest.digest}</code>
          <CopyButton text={manifest.digest} what="digest" />
        </dd>
      </div>
      {total !== undefined && (
        <div>
          <dt>Size</dt>
          <dd>
            <Size bytes={total} />
          </dd>
        </div>
      )}
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
            <DigestText digest={subject} href={manifestAddress(repo, { kind: 'digest', digest: subject })} />
          </dd>
        </div>
      )}
    </dl>
  );
}

const MAX_VALUE = 1_000;

function AnnotationsCard({ annotations }: { readonly annotations: ReadonlyMap<string, string> }) {
  if (annotations.size === 0) return null;
  return (
    <Card title="Annotations" icon="list">
      <dl class="pairs">
        {Array.from(annotations, ([name, value]) => (
          <div key={name}>
            <dt>{cut(name, MAX_VALUE)}</dt>
            <dd>{cut(value, MAX_VALUE)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

interface HistoryProps extends ManifestProps {
  readonly tag: string;
}

function HistoryCard({ data, tag, viewer }: HistoryProps) {
  const { repo, changes, manifest, mayRestore, mayDelete } = data;
  const canAct = viewer.passive === undefined;
  return (
    <Card title={`History of ${cut(tag, 40)}`} icon="clock">
      <Timeline
        now={viewer.now}
        entries={changes.map((change) => ({
          key: keyOf(change),
          tone: toneOf(change),
          at: change.at,
          actor: change.actor,
          text: <ChangeText repo={repo} change={change} />,
          action:
            canAct && mayRestore && change.kind === 'tag-set' && change.digest !== manifest.digest ? (
              <RestoreForm repo={repo} value={`${tag} ${change.digest}`} expected={manifest.digest} viewer={viewer} />
            ) : undefined,
        }))}
      />
      {canAct && mayDelete && (
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

interface RestoreProps {
  readonly repo: RepositoryName;
  /** The tag and the digest that it gets. */
  readonly value: string;
  /** What the tag is now. */
  readonly expected: string;
  readonly viewer: Viewer;
}

function RestoreForm({ repo, value, expected, viewer }: RestoreProps) {
  return (
    <form action={actionAddress(repo, 'restore')} method="post">
      <FormToken viewer={viewer} />
      <input type="hidden" name="tag" value={value} />
      <input type="hidden" name="expected" value={expected} />
      <button type="submit" class="button button-small">
        <Icon name="undo" />
        Restore this
      </button>
    </form>
  );
}
