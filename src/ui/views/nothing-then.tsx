import { formatAddress } from '../../past/comparable.ts';
import type { Reference } from '../../registry/interface.ts';
import type { PastPlace } from '../addresses.ts';
import { Empty } from '../components/basics.tsx';
import { PastCrumbs, pageNow, Ribbon } from '../components/ribbon.tsx';
import { sentence } from '../format.ts';
import type { Travel } from '../load/load-travel.ts';
import type { Viewer } from '../viewer.ts';

interface Props {
  readonly place: PastPlace;
  readonly reference: Reference | undefined;
  /** Of a RegistryError. */
  readonly message: string;
  readonly travel: Travel;
  readonly viewer: Viewer;
}

/** In place of what did not exist at a moment, or whose bytes are gone: one can go to another moment. */
export function NothingThen({ place, reference, message, travel, viewer }: Props) {
  const { repo, at } = place;
  const named = reference === undefined ? repo : formatAddress({ repo, reference });
  return (
    <>
      <Ribbon at={at} back={pageNow(repo, reference)} named={named} travel={travel} now={viewer.now} />
      <div id="then" class="then" data-then>
        <PastCrumbs at={at} place={place} />
        <Empty icon="search" title="There is nothing here">
          <p>{sentence(message)}</p>
        </Empty>
      </div>
    </>
  );
}
