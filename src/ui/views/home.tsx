import { homeAddress, loginAddress, repositoryAddress } from '../addresses.ts';
import { Empty, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { PathName } from '../components/repository-path.tsx';
import { formatNumber } from '../format.ts';
import type { HomeData, RepositoryRow } from '../load/load-home.ts';
import type { Viewer } from '../viewer.ts';

interface HomeProps {
  readonly data: HomeData;
  readonly q: string;
  readonly viewer: Viewer;
}

/** The first page: the repositories that the visitor may pull from. */
export function Home({ data, q, viewer }: HomeProps) {
  const { kind, repositories, next } = data;
  return (
    <>
      <div class="title-row">
        <h1>{q === '' ? 'Repositories' : <>Repositories with “{q}”</>}</h1>
        {q !== '' && (
          <a class="button button-quiet" href={homeAddress()}>
            Show all
          </a>
        )}
      </div>
      {kind === 'forbidden' ? (
        <Forbidden viewer={viewer} />
      ) : repositories.length === 0 ? (
        <Nothing q={q} viewer={viewer} />
      ) : (
        <div class="card card-flush">
          <table class="table repositories">
            <thead>
              <tr>
                <th scope="col">Repository</th>
                <th scope="col" class="number">
                  Tags
                </th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col" class="number">
                  Last change
                </th>
              </tr>
            </thead>
            <tbody>
              {repositories.map((each) => (
                <Row key={each.name} row={each} now={viewer.now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {next !== undefined && (
        <nav class="pager" aria-label="Pages">
          <a class="button" href={homeAddress({ q, after: next })}>
            Next page <Icon name="arrow" />
          </a>
        </nav>
      )}
    </>
  );
}

function Row({ row: { name, facts }, now }: { readonly row: RepositoryRow; readonly now: number }) {
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={repositoryAddress(name)}>
          <Icon name="box" />
          <PathName repo={name} />
        </a>
      </th>
      <td class="number" data-label="Tags">
        {facts === undefined ? '–' : formatNumber(facts.tags)}
      </td>
      <td class="number" data-label="Size">
        {facts === undefined ? '–' : <Size bytes={facts.bytes} />}
      </td>
      <td class="number" data-label="Last change">
        {facts?.changed === undefined ? '–' : <Time at={facts.changed} now={now} />}
      </td>
    </tr>
  );
}

function Nothing({ q, viewer }: { readonly q: string; readonly viewer: Viewer }) {
  if (q !== '') {
    return (
      <Empty icon="search" title="No repository has this in its name">
        <p>Search for a part of a name, such as the team or the application.</p>
      </Empty>
    );
  }
  return (
    <Empty icon="box" title="No repositories yet">
      <p>Push an image, and it appears here:</p>
      <pre>
        <code>{`docker tag my-image ${viewer.host}/my-image\ndocker push ${viewer.host}/my-image`}</code>
      </pre>
    </Empty>
  );
}

function Forbidden({ viewer }: { readonly viewer: Viewer }) {
  const isAnonymous = viewer.name === undefined;
  return (
    <Empty icon="lock" title={isAnonymous ? 'Log in to see repositories' : 'You may not list repositories'}>
      {isAnonymous && viewer.canLogIn ? (
        <a class="button button-main" href={loginAddress(viewer.address)}>
          Log in
        </a>
      ) : (
        <p>
          Open one by its address: <code>/ui/repositories/&lt;name&gt;</code>
        </p>
      )}
    </Empty>
  );
}
