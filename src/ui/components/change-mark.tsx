import type { Tone } from './basics.tsx';

export type ChangeKind = 'same' | 'changed' | 'added' | 'gone';

const MARKS: Readonly<Record<ChangeKind, { readonly sign: string; readonly word: string; readonly tone: Tone }>> = {
  same: { sign: '=', word: 'Same', tone: 'plain' },
  changed: { sign: '~', word: 'Changed', tone: 'warm' },
  added: { sign: '+', word: 'Added', tone: 'good' },
  gone: { sign: '−', word: 'Gone', tone: 'bad' },
};

/** How something changed: a sign of fixed width, with a word for readers of the page. */
export function ChangeMark({ change }: { readonly change: ChangeKind }) {
  const { sign, word, tone } = MARKS[change];
  return (
    <span class={`mark-change badge-${tone}`} title={word}>
      <span aria-hidden="true">{sign}</span>
      <span class="hidden">{word}</span>
    </span>
  );
}

/** @param from, to the values before and after; undefined: there was none */
export function kindOfChange(from: unknown, to: unknown): ChangeKind {
  if (from === undefined) return 'added';
  if (to === undefined) return 'gone';
  return from === to ? 'same' : 'changed';
}
