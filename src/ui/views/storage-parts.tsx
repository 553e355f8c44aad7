import type { RepositoryName } from '../../oci/names.ts';
import type { StoragePart, StorageReport } from '../../overview/interface.ts';
import { homeAddress, manifestAddress, storageAddress } from '../addresses.ts';
import { Card, DigestText, Empty, Size, Time } from '../components/basics.tsx';
import { PathName } from '../components/repository-path.tsx';
import { TableHead } from '../components/table-head.tsx';

/** Parts of the page of the storage, of all repositories or of one. */

const SHOWN = 20;
/** Counting ends there. */
const MAX_SHARERS = 100;

/** How many other repositories have a part. */
export function sharersText(sharedWith: number | undefined): string {
  if (sharedWith === undefined) return 'not known';
  if (sharedWith === 0) return '–';
  return sharedWith >= MAX_SHARERS ? `${MAX_SHARERS} or more` : String(sharedWith);
}

interface Content extends StoragePart {
  /** Where it is, if it is not the repository of the page. */
  readonly repository?: RepositoryName;
}

/** Blobs and manifests with their sizes. */
export function ContentTable({ contents }: { readonly contents: readonly Content[] }) {
  return (
    <table class="table">
      <TableHead names={['Digest']} numbers={['Shared with', 'Size']} />
      <tbody>
        {contents.map(({ digest, bytes, sharedWith, repository }) => (
          <tr key={digest}>
            <th scope="row">
              <DigestText digest={digest} href={homeAddress({ q: digest })} />
              {repository !== undefined && (
                <span class="under">
                  <a class="row-link" href={storageAddress(repository)}>
                    <PathName repo={repository} />
                  </a>
                </span>
              )}
            </th>
            <td class="number" data-label="Shared with">
              {sharersText(sharedWith)}
            </td>
            <td class="number" data-label="Size">
              <Size bytes={bytes} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The largest blobs and manifests of all repositories. */
export function Largest({ largest }: Pick<StorageReport, 'largest'>) {
  return (
    <Card title="Largest blobs" icon="layers">
      <ContentTable contents={largest.slice(0, SHOWN)} />
    </Card>
  );
}

/** The tags that nobody has used for the longest time. */
export function Unused({
  report: { oldest, knowsPulls },
  now,
}: {
  readonly report: Pick<StorageReport, 'oldest' | 'knowsPulls'>;
  readonly now: number;
}) {
  return (
    <Card title="Unused for the longest time" icon="clock">
      {oldest.length === 0 ? (
        <Empty icon="tag" title="No tags" />
      ) : (
        <table class="table">
          <TableHead names={['Tag']} numbers={[knowsPulls ? 'Last used' : 'Pushed', 'Size']} />
          <tbody>
            {oldest.slice(0, SHOWN).map(({ repository, tag, bytes, set, unusedSince }) => (
              <tr key={`${repository}:${tag}`}>
                <th scope="row">
                  <a class="row-link" href={manifestAddress(repository, { kind: 'tag', tag })}>
                    <PathName repo={repository} />:<b>{tag}</b>
                  </a>
                </th>
                <td class="number" data-label={knowsPulls ? 'Last used' : 'Pushed'}>
                  <Time at={Date.parse(unusedSince)} now={now} />
                  {unusedSince !== set && (
                    <span class="actor">
                      pushed <Time at={Date.parse(set)} now={now} />
                    </span>
                  )}
                </td>
                <td class="number" data-label="Size">
                  <Size bytes={bytes} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <footer class="card-foot">
        <span class="muted">
          {knowsPulls
            ? 'Last used: the last push, or the last pull that may have happened.'
            : 'By the last push. Pulls are recorded if a rule of retention has pulledWithin.'}
        </span>
      </footer>
    </Card>
  );
}
