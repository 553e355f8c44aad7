import { secondOf } from '../../past/moment.ts';
import type { Pin } from '../../pins/interface.ts';
import { actionAddress, repositoryAddress } from '../addresses.ts';
import { Card, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Until } from '../components/retention-fate.tsx';
import { FormToken } from '../document.tsx';
import { cut, formatActor, formatCount } from '../format.ts';
import type { RepositoryData } from '../load/load-repository.ts';
import type { Viewer } from '../viewer.ts';

interface PinsProps {
  readonly data: RepositoryData;
  readonly viewer: Viewer;
}

/** How long a pin may be made to last. */
const DAYS = [
  [30, '30 days'],
  [90, '90 days'],
  [365, '1 year'],
] as const;
const MAX_NAME = 63;
const SHOWN_PINS = 20;

/** What is kept of a repository whatever is deleted, and a form that pins what it has now. */
export function PinsCard({ data, viewer }: PinsProps) {
  const { pins, unreadable } = data.pins;
  const canPin = data.actions.pin === undefined;
  if (pins.length === 0 && unreadable === 0 && !canPin) return null;
  return (
    <Card title="Pins" icon="pin" id="pins">
      {pins.length > 0 && (
        <ul class="pins">
          {pins.slice(0, SHOWN_PINS).map((pin) => (
            <PinLine key={pin.id} pin={pin} data={data} viewer={viewer} />
          ))}
        </ul>
      )}
      {unreadable > 0 && (
        <p class="card-text muted">{formatCount(unreadable, 'pin')} of a newer version cannot be read here.</p>
      )}
      {canPin && (
        <details class="group">
          <summary>Pin what is here now</summary>
          <form class="pin-form" action={actionAddress(data.repo, 'pin')} method="post">
            <FormToken viewer={viewer} />
            <p class="muted">
              Everything that this repository has now stays stored until the pin ends, whatever is deleted. Tags go on
              changing as before.
            </p>
            <label class="field">
              Keep for
              <select name="days">
                {DAYS.map(([days, text]) => (
                  <option key={days} value={String(days)}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              Name (optional)
              <input
                type="text"
                name="name"
                placeholder="q3-audit"
                maxLength={MAX_NAME}
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
              />
            </label>
            <button type="submit" class="button">
              <Icon name="pin" />
              Pin
            </button>
          </form>
        </details>
      )}
    </Card>
  );
}

function PinLine({ pin, data, viewer }: PinsProps & { readonly pin: Pin }) {
  const { id, name, moment, until, by, repositories } = pin;
  const canEnd = data.actions.pin === undefined && repositories === 1;
  return (
    <li>
      <div class="pin-about">
        <b>{cut(name, MAX_NAME)}</b>
        <span class="muted">
          <a href={repositoryAddress({ repo: data.repo, at: secondOf(moment) })}>
            as it was <Time at={moment} now={viewer.now} />
          </a>
          , ends <Until at={until} now={viewer.now} />
          {repositories > 1 && `, with ${formatCount(repositories - 1, 'other repository', 'other repositories')}`}
        </span>
        <span class="actor">{cut(formatActor(by), MAX_NAME)}</span>
      </div>
      {canEnd && (
        <form action={actionAddress(data.repo, 'unpin')} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="id" value={id} />
          <button type="submit" class="button button-small">
            End<span class="hidden"> the pin {cut(name, MAX_NAME)}</span>
          </button>
        </form>
      )}
    </li>
  );
}
