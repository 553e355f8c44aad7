import type { Totals } from '../../overview/interface.ts';
import { loginAddress } from '../addresses.ts';
import { formatBytes, formatCount, formatNumber } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { Viewer } from '../viewer.ts';
import { Empty, Notice, Time } from './basics.tsx';

/** Parts of the views that show all repositories. */

export function Incomplete() {
  return (
    <Notice icon="clock">
      The registry has just started, or has much to do: its index is being filled, so something may be missing here.
    </Notice>
  );
}

interface ForbiddenProps {
  readonly viewer: Viewer;
  /** The form of addresses by which a repository can be opened. */
  readonly address?: string;
}

export function Forbidden({ viewer, address = '/ui/repositories/<name>' }: ForbiddenProps) {
  const canLogIn = viewer.name === undefined && viewer.canLogIn;
  return (
    <Empty icon="lock" title={canLogIn ? 'Log in to see repositories' : 'You may not list repositories'}>
      {canLogIn ? (
        <a class="button button-main" href={loginAddress(viewer.address)}>
          Log in
        </a>
      ) : (
        <p>
          Open one by its address: <code>{address}</code>
        </p>
      )}
    </Empty>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  /** Below the value. */
  readonly note?: Child;
}

/** One number of a list with the class `numbers`. */
export function Figure({ name, value, note }: FigureProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
      {note !== undefined && <dd class="numbers-note">{note}</dd>}
    </div>
  );
}

/** Sums over all repositories that the visitor may list. */
export function TotalNumbers({ totals, now }: { readonly totals: Totals; readonly now: number }) {
  const { repositories, tags, bytes, stored, garbage } = totals;
  return (
    <dl class="numbers">
      <Figure name="Repositories" value={formatNumber(repositories)} />
      <Figure name="Tags" value={formatNumber(tags)} />
      <Figure
        name="Stored"
        value={formatBytes(stored ?? bytes)}
        note={stored === undefined ? 'if nothing were shared' : undefined}
      />
      {stored !== undefined && (
        <Figure
          name="Saved by sharing"
          value={formatBytes(Math.max(0, bytes - stored))}
          note={savedPart(bytes, stored)}
        />
      )}
      {garbage !== undefined && (
        <Figure
          name="Waiting to be freed"
          value={formatBytes(garbage.bytes)}
          note={
            <>
              {formatCount(garbage.objects, 'object')}, <Time at={Date.parse(garbage.at)} now={now} />
            </>
          }
        />
      )}
    </dl>
  );
}

function savedPart(bytes: number, stored: number): string | undefined {
  return bytes === 0 ? undefined : `${Math.round(((bytes - stored) / bytes) * 100)} % of ${formatBytes(bytes)}`;
}
