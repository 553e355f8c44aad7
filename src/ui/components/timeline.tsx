import { formatActor } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import { Time, type Tone } from './basics.tsx';

export interface TimelineEntry {
  readonly key: string;
  readonly tone: Tone;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The label of who did it, if that is known. */
  readonly actor: string | undefined;
  readonly text: Child;
  /** Beside the time. */
  readonly links?: Child;
  /** A form, beside the text. */
  readonly action?: Child;
}

/** What happened, newest first. */
export function Timeline({ entries, now }: { readonly entries: readonly TimelineEntry[]; readonly now: number }) {
  return (
    <ol class="timeline">
      {entries.map(({ key, tone, at, actor, text, links, action }) => (
        <li class={`moment moment-${tone}`} key={key}>
          <div class="moment-text">{text}</div>
          <div class="moment-about">
            <Time at={at} now={now} />
            {actor !== undefined && <span class="actor">{formatActor(actor)}</span>}
            {links}
          </div>
          {action !== undefined && <div class="moment-action">{action}</div>}
        </li>
      ))}
    </ol>
  );
}
