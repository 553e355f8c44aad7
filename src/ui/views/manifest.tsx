import { formatAddress } from '../../past/comparable.ts';
import { compareAddress, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { WritesAreOff } from '../components/refusals.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { FateBadge, FateLine } from '../components/retention-fate.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { cut, shortDigest } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { ManifestData } from '../load/load-manifest.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import { fateOf } from '../models/retention-text.ts';
import type { Viewer } from '../viewer.ts';
import { AttachedCard } from './manifest-attached.tsx';
import { ManifestBody, Summary } from './manifest-body.tsx';
import { HistoryCard } from './tag-history.tsx';
import { TagsCard } from './tags-card.tsx';

interface ManifestProps {
  readonly data: ManifestData;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;

/** One manifest, by tag or digest. */
export function Manifest({ data, viewer }: ManifestProps) {
  const { repo, reference, details, text } = data;
  const { digest, kind, description, config } = details;
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
        <a class="button button-quiet" href={compareAddress({ a: '', b: formatAddress({ repo, reference }) })}>
          <Icon name="compare" />
          Compare
        </a>
      </div>
      <FateLine fate={fate} now={viewer.now} />
      <WritesAreOff repo={repo} actions={data.actions} />
      {description !== undefined && <p class="lead">{cut(description, MAX_DESCRIPTION)}</p>}
      <AboutLinks about={aboutOf(details)} />
      <Summary place={repo} details={details} sharers={data.sharers} pushed={data.pushed} now={viewer.now} />
      <div class="columns">
        <div class="column-main">
          <ManifestBody
            place={repo}
            reference={reference}
            details={details}
            sharers={data.sharers}
            text={text}
            now={viewer.now}
          />
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
