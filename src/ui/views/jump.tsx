import type { Hit } from '../../overview/interface.ts';
import { manifestAddress, repositoryAddress } from '../addresses.ts';
import { Icon, type IconName } from '../components/icon.tsx';
import { PathName } from '../components/repository-path.tsx';
import { cut, formatCount, shortDigest } from '../format.ts';
import type { JumpResult } from '../load/load-jump.ts';
import { PALETTE_RESULTS, PaletteResults } from './palette.tsx';

/** What the command palette offers for a text. It is put into the palette by the script, so it is no page of its own. */
export function Jump({ result }: { readonly result: JumpResult }) {
  return (
    <PaletteResults status={statusOf(result)}>
      {result.hits.map(optionOf).map(({ href, icon, what, name }, at) => (
        <a
          key={at}
          class="palette-option"
          id={`${PALETTE_RESULTS}-${at}`}
          role="option"
          aria-selected="false"
          tabIndex={-1}
          href={href}
        >
          <Icon name={icon} />
          <span class="palette-name">{name}</span>
          <span class="palette-what">{what}</span>
        </a>
      ))}
    </PaletteResults>
  );
}

function statusOf({ hits, more }: JumpResult): string {
  if (hits.length === 0) return 'Nothing was found.';
  return more ? `The best ${hits.length}. Enter shows all.` : formatCount(hits.length, 'match', 'matches');
}

interface Option {
  readonly href: string;
  readonly icon: IconName;
  readonly what: string;
  readonly name: ReturnType<typeof PathName>;
}

const MAX_VALUE = 80;

function optionOf(hit: Hit): Option {
  const { repository } = hit;
  const path = <PathName repo={repository} />;
  switch (hit.kind) {
    case 'repository':
      return { href: repositoryAddress(repository), icon: 'box', what: 'repository', name: path };
    case 'tag': {
      const href = manifestAddress(repository, { kind: 'tag', tag: hit.tag });
      const name = (
        <>
          {path}:<b>{hit.tag}</b>
        </>
      );
      return { href, icon: 'tag', what: 'tag', name };
    }
    case 'digest': {
      const isManifest = hit.is === 'manifest';
      const href = isManifest
        ? manifestAddress(repository, { kind: 'digest', digest: hit.digest })
        : repositoryAddress(repository);
      const name = (
        <>
          {path}@<code>{shortDigest(hit.digest)}</code>
        </>
      );
      return { href, icon: 'layers', what: isManifest ? 'digest' : 'layer or config', name };
    }
    case 'label': {
      const name = (
        <>
          {path}
          <span class="palette-label">{`${cut(hit.key, MAX_VALUE)}: ${cut(hit.value, MAX_VALUE)}`}</span>
        </>
      );
      const href = manifestAddress(repository, { kind: 'digest', digest: hit.digest });
      return { href, icon: 'list', what: 'label', name };
    }
  }
}
