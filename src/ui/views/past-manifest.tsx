import type { Tag } from '../../oci/names.ts';
import { formatAddress } from '../../past/comparable.ts';
import { formatCompactTime } from '../../past/moment.ts';
import { actionAddress, compareManifests, manifestAddress, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card, DigestText } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { PastCrumbs, pageNow, Ribbon } from '../components/ribbon.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { FormToken } from '../document.tsx';
import { cut, shortDigest } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { PastManifestData, Today } from '../load/load-past.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import type { Viewer } from '../viewer.ts';
import { AttachedCard } from './manifest-attached.tsx';
import { ManifestBody, Summary } from './manifest-body.tsx';
import type { SharersOf } from './manifest-parts.tsx';
import { TodayBadge } from './past-repository.tsx';

interface Props {
  readonly data: PastManifestData;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;
const SHOWN_TAGS = 20;
/** Who shares what is known only for now. */
const NO_SHARERS: SharersOf = new Map();

/** A manifest as a tag or digest named it at a moment. */
export function PastManifest({ data, viewer }: Props) {
  const { place, name, reference, travel, details, text, tags, pushed, today } = data;
  const { repo, at } = place;
  const { digest, kind, description, config } = details;
  return (
    <>
      <Ribbon
        at={at}
        back={pageNow(repo, reference)}
        named={formatAddress({ repo, reference })}
        travel={travel}
        now={viewer.now}
      />
      <div id="then" class="then" data-then>
        <PastCrumbs at={at} place={place} />
        <div class="title-row">
          <h1 class="title-name">
            <a href={repositoryAddress(place)}>{repo.slice(repo.lastIndexOf('/') + 1)}</a>
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
        <Summary place={place} details={details} sharers={NO_SHARERS} pushed={pushed} now={viewer.now} />
        <div class="columns">
          <div class="column-main">
            <ManifestBody
              place={place}
              reference={reference}
              details={details}
              sharers={NO_SHARERS}
              text={text}
              now={viewer.now}
            />
          </div>
          <div class="column-side">
            {reference.kind === 'tag' && today !== undefined && (
              <TodayCard data={data} tag={reference.tag} today={today} viewer={viewer} />
            )}
            <Card title="Pull as it was" icon="box">
              <CommandTabs id="pull" commands={pullCommands(viewer.host, name, reference, kind)} />
            </Card>
            <AttachedCard repo={place} details={details} />
            {tags.length > 0 && (
              <Card title="Tags then" icon="tag">
                <p class="card-text tag-links">
                  {tags.slice(0, SHOWN_TAGS).map((tag) => (
                    <a key={tag} href={manifestAddress(place, { kind: 'tag', tag })}>
                      {tag}
                    </a>
                  ))}
                  {tags.length > SHOWN_TAGS && <span class="muted">+{tags.length - SHOWN_TAGS}</span>}
                </p>
              </Card>
            )}
          </div>
        </div>
      </div>
    </>
  );
}

interface TodayProps extends Props {
  readonly tag: Tag;
  readonly today: Today;
}

/** What became of the tag, and how to get back what it was. */
function TodayCard({ data: { place, details, actions }, tag, today, viewer }: TodayProps) {
  const { repo, at } = place;
  const { digest } = details;
  const reference = { kind: 'tag', tag } as const;
  const refusal = today.kind === 'gone' ? actions.addTag : actions.moveTag;
  const canRestore = refusal === undefined && today.kind !== 'same';
  return (
    <Card title="Today" icon="tag" aside={<TodayBadge today={today} />}>
      <div class="today">
        {today.kind === 'same' && <p>The tag still points to this manifest.</p>}
        {today.kind === 'moved' && (
          <p>
            The tag points to{' '}
            <DigestText digest={today.digest} href={manifestAddress(repo, { kind: 'digest', digest: today.digest })} />{' '}
            today.
          </p>
        )}
        {today.kind === 'gone' && <p>The tag does not exist any more.</p>}
        <div class="choices">
          {canRestore && (
            <form action={actionAddress(repo, 'restore')} method="post">
              <FormToken viewer={viewer} />
              <input type="hidden" name="tag" value={`${tag} ${digest}`} />
              <input type="hidden" name="at" value={formatCompactTime(at)} />
              {today.kind === 'moved' && <input type="hidden" name="expected" value={today.digest} />}
              <button type="submit" class="button button-main">
                <Icon name="undo" />
                Restore this
              </button>
            </form>
          )}
          {today.kind === 'moved' && (
            <a class="button" href={compareManifests({ repo, reference, at }, { repo, reference })}>
              <Icon name="compare" />
              Compare with now
            </a>
          )}
        </div>
      </div>
    </Card>
  );
}
