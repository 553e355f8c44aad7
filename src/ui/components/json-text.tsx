import type { Child } from '../jsx/jsx-runtime.js';

/** Characters that are shown, and tokens that get a colour. */
const MAX_SHOWN = 64 * 1024;
const MAX_TOKENS = 4_000;

const TOKEN = /("(?:[^"\\\n]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON with colours, indented; anything else as it is. */
export function JsonText({ text }: { readonly text: string }) {
  const indented = indent(text);
  const shown = indented.slice(0, MAX_SHOWN).toWellFormed();
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <pre class="json" tabIndex={0}>
        <code>{coloured(shown)}</code>
      </pre>
      {indented.length > MAX_SHOWN && <p class="muted card-text">Only the first {MAX_SHOWN / 1024} KiB are shown.</p>}
    </>
  );
}

function indent(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // What an older version accepted may be no JSON.
    return text;
  }
}

function coloured(text: string): Child[] {
  const parts: Child[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (parts.length >= MAX_TOKENS) break;
    const [whole, string, colon] = match;
    const kind = colon === undefined ? 'string' : 'key';
    const shown = string ?? whole;
    parts.push(text.slice(end, match.index));
    parts.push(
      <span key={match.index} class={`json-${string === undefined ? 'value' : kind}`}>
        {shown}
      </span>,
    );
    end = match.index + shown.length;
  }
  parts.push(text.slice(end));
  return parts;
}
