import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import { actionAddress, repositoryAddress } from '../addresses.ts';
import { Badge, Card, Empty } from '../components/basics.tsx';
import { ChangeLinks, linkedChange } from '../components/change-links.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { DeletesAreOff, WritesAreOff } from '../components/refusals.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { Timeline } from '../components/timeline.tsx';
import { FormToken } from '../document.tsx';
import { cut } from '../format.ts';
import type { DeletedTagData, ManifestData } from '../load/load-manifest.ts';
import type { Viewer } from '../viewer.ts';

interface HistoryProps {
  readonly data: ManifestData;
  readonly tag: Tag;
  /** Whether a rule protects the tag: it can neither be moved nor deleted. */
  readonly isImmutable: boolean;
  readonly viewer: Viewer;
}

/** What a tag was, with buttons to take it back there or to delete it. */
export function HistoryCard({ data, tag, isImmutable, viewer }: HistoryProps) {
  const { repo, changes, details, actions } = data;
  return (
    <Card title={`History of ${cut(tag, 40)}`} icon="clock">
      <TagTimeline
        repo={repo}
        tag={tag}
        changes={changes}
        current={details.digest}
        canRestore={actions.moveTag === undefined && !isImmutable}
        viewer={viewer}
      />
      {isImmutable && <p class="card-foot muted">A rule makes it immutable: it can neither be moved nor deleted.</p>}
      {!isImmutable && actions.deleteTag?.kind === 'delete-disabled' && (
        <p class="card-foot">
          <DeletesAreOff refusal={actions.deleteTag} />
        </p>
      )}
      {actions.deleteTag === undefined && !isImmutable && (
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
  const { repo, tag, changes, actions } = data;
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
      <WritesAreOff repo={repo} actions={actions} />
      <Card title={`History of ${cut(tag, 40)}`} icon="clock">
        <TagTimeline
          repo={repo}
          tag={tag}
          changes={changes}
          current={undefined}
          canRestore={actions.addTag === undefined}
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
  readonly canRestore: boolean;
  readonly viewer: Viewer;
}

function TagTimeline({ repo, tag, changes, current, canRestore, viewer }: TagTimelineProps) {
  if (changes.length === 0) return <Empty icon="clock" title="Not changed lately" />;
  return (
    <Timeline
      now={viewer.now}
      entries={changes.map((change) => ({
        key: keyOf(change),
        tone: toneOf(change),
        at: change.at,
        actor: change.actor,
        text: <ChangeText repo={repo} change={change} />,
        links: <ChangeLinks repo={repo} change={linkedChange(change)} viewer={viewer} />,
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
