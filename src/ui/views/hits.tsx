import type { Hit } from '../../overview/interface.ts';
import { manifestAddress, repositoryAddress } from '../addresses.ts';
import { Breakable, BreakableName, Card, DigestText, Time } from '../components/basics.tsx';
import { Icon, type IconName } from '../components/icon.tsx';
import { PathName } from '../components/repository-path.tsx';
import { cut } from '../format.ts';

const MAX_VALUE = 160;
const ICONS: Readonly<Record<Hit['kind'], IconName>> = {
  repository: 'box',
  tag: 'tag',
  digest: 'layers',
  label: 'list',
};

/** What a search found besides names of repositories. */
export function Hits({ hits, now }: { readonly hits: readonly Hit[]; readonly now: number }) {
  return (
    <Card title="Tags, digests and labels" icon="search">
      <ul class="hits">
        {hits.map((hit, at) => (
          <li key={at}>
            <Icon name={ICONS[hit.kind]} />
            <HitText hit={hit} now={now} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function HitText({ hit, now }: { readonly hit: Hit; readonly now: number }) {
  const { repository } = hit;
  switch (hit.kind) {
    case 'repository':
      return (
        <a class="row-link" href={repositoryAddress(repository)}>
          <PathName repo={repository} />
        </a>
      );
    case 'tag':
      return (
        <>
          <a class="row-link" href={manifestAddress(repository, { kind: 'tag', tag: hit.tag })}>
            <PathName repo={repository} />:<b>{hit.tag}</b>
          </a>
          <span class="muted">
            <Time at={Date.parse(hit.set)} now={now} />
          </span>
        </>
      );
    case 'digest': {
      const address =
        hit.is === 'manifest' ? manifestAddress(repository, { kind: 'digest', digest: hit.digest }) : undefined;
      return (
        <>
          <a class="row-link" href={repositoryAddress(repository)}>
            <PathName repo={repository} />
          </a>
          <DigestText digest={hit.digest} href={address} />
          {hit.is === 'blob' && <span class="muted">a layer or config</span>}
        </>
      );
    }
    case 'label':
      return (
        <>
          <a class="row-link" href={manifestAddress(repository, { kind: 'digest', digest: hit.digest })}>
            <PathName repo={repository} />
          </a>
          <span class="muted">
            <BreakableName text={cut(hit.key, MAX_VALUE)} />: <Breakable text={cut(hit.value, MAX_VALUE)} />
          </span>
        </>
      );
  }
}
