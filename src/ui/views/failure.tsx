import { HOME, loginAddress } from '../addresses.ts';
import { Empty } from '../components/basics.tsx';
import type { IconName } from '../components/icon.tsx';
import { sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';

interface FailureProps {
  readonly status: number;
  /** A sentence for people, of a RegistryError. */
  readonly message: string;
  readonly viewer: Viewer;
}

/** What stands in place of a page that cannot be shown. */
export function Failure({ status, message, viewer }: FailureProps) {
  const { icon, title } = lookOf(status);
  const mayHelp = viewer.name === undefined && viewer.canLogIn && (status === 401 || status === 403 || status === 404);
  return (
    <Empty icon={icon} title={title}>
      <p>{sentence(message)}</p>
      <p class="choices">
        {mayHelp && (
          <a class="button button-main" href={loginAddress(viewer.address)}>
            Log in
          </a>
        )}
        <a class="button" href={HOME}>
          All repositories
        </a>
      </p>
    </Empty>
  );
}

function lookOf(status: number): { readonly icon: IconName; readonly title: string } {
  switch (status) {
    case 401:
    case 403:
      return { icon: 'lock', title: 'You may not see or do this' };
    case 404:
      return { icon: 'search', title: 'There is nothing here' };
    case 412:
      return { icon: 'undo', title: 'It has changed in the meantime' };
    case 429:
      return { icon: 'clock', title: 'Too many requests' };
    case 503:
    case 507:
      return { icon: 'clock', title: 'Not available now' };
    default:
      return { icon: 'alert', title: status >= 500 ? 'Something went wrong here' : 'This cannot be done' };
  }
}
