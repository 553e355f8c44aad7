import { formatAge, formatBytes, formatNumber, formatTime, shortDigest } from '../format.ts';
import { type Child, Fragment } from '../jsx/jsx-runtime.js';
import { Icon, type IconName } from './icon.tsx';

/** Small parts of which the views are made. */

/** A time: its age as text, and the time itself on hover. */
export function Time({ at, now }: { readonly at: number; readonly now: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatTime(at)}>
      {formatAge(at, now)}
    </time>
  );
}

/** A size in binary units, with its bytes on hover. */
export function Size({ bytes }: { readonly bytes: number }) {
  return (
    <span class="size" title={`${bytes.toLocaleString('en-US')} bytes`}>
      {formatBytes(bytes)}
    </span>
  );
}

/** The beginning of a digest, as a link if there is an address, with a button that copies all of it. */
export function DigestText({ digest, href }: { readonly digest: string; readonly href?: string | undefined }) {
  const short = shortDigest(digest);
  return (
    <span class="digest" title={digest}>
      {href === undefined ? (
        <code>{short}</code>
      ) : (
        <a href={href}>
          <code>{short}</code>
        </a>
      )}
      <CopyButton text={digest} what="digest" />
    </span>
  );
}

/** Needs the script; without it the button is not shown. @param what is copied, for readers of the page */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <button type="button" class="copy" data-copy={text} title={`Copy ${what}`}>
      <Icon name="copy" />
      <span class="hidden">Copy {what}</span>
    </button>
  );
}

export type Tone = 'plain' | 'accent' | 'good' | 'warm' | 'bad';

export function Badge({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: Child }) {
  return <span class={`badge badge-${tone}`}>{children}</span>;
}

interface CardProps {
  readonly title: string;
  readonly icon?: IconName;
  /** A few words beside the title. */
  readonly note?: Child;
  /** Links and forms beside the title. */
  readonly aside?: Child;
  readonly id?: string;
  /** Whether a script renews it while the filter in it is changed. */
  readonly isLive?: boolean;
  readonly children: Child;
}

/** A part of a page with a title. */
export function Card({ title, icon, note, aside, id, isLive = false, children }: CardProps) {
  return (
    <section class="card" id={id} data-live={isLive || undefined}>
      <header class="card-head">
        <h2>
          {icon !== undefined && <Icon name={icon} />}
          {title}
        </h2>
        {note !== undefined && <span class="muted">{note}</span>}
        {aside !== undefined && <div class="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

interface NoticeProps {
  readonly tone?: Tone;
  readonly icon?: IconName;
  readonly children: Child;
}

/** Says how many entries of a list are left out. */
export function NotShown({ count }: { readonly count: number }) {
  return count <= 0 ? null : <p class="card-text muted">{formatNumber(count)} more are not shown.</p>;
}

/** To the next page of a list. */
export function NextPage({ href }: { readonly href: string }) {
  return (
    <a class="button" href={href}>
      Next page <Icon name="arrow" />
    </a>
  );
}

/** A message at the top of a page, or in place of content. */
export function Notice({ tone = 'plain', icon = 'alert', children }: NoticeProps) {
  return (
    <div class={`notice notice-${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: Child;
}

/** What stands where a list would be, if it has no entries. */
export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-text">{children}</div>}
    </div>
  );
}

/** A link to another site that strangers chose; plain text if it is not a web address. */
export function OutsideLink({ href, children }: { readonly href: string; readonly children: Child }) {
  const url = webAddress(href);
  if (url === undefined) return <span>{children}</span>;
  return (
    <a href={url} rel="noopener noreferrer nofollow" class="outside">
      {children}
    </a>
  );
}

const MAX_ADDRESS = 2_048;

/** @returns undefined for anything but http and https, so never a script */
export function webAddress(text: string): string | undefined {
  if (text.length > MAX_ADDRESS || !URL.canParse(text)) return undefined;
  const { protocol, href } = new URL(text);
  return protocol === 'https:' || protocol === 'http:' ? href : undefined;
}

/** A command with a button that copies it. @param children as it is shown, if not as it is copied */
export function Command({ text, children }: { readonly text: string; readonly children?: Child }) {
  return (
    <div class="command">
      <pre>
        <code>{children ?? text}</code>
      </pre>
      <CopyButton text={text} what="command" />
    </div>
  );
}

/** A text that is broken after a slash rather than within a word. */
export function Breakable({ text }: { readonly text: string }) {
  return <>{breakable(text, AFTER_SLASHES)}</>;
}

/** A name such as a media type or the key of a label, which is broken after a slash or a dot rather than within a word. */
export function BreakableName({ text }: { readonly text: string }) {
  return <>{breakable(text, AFTER_PARTS)}</>;
}

const AFTER_SLASHES = /(?<=\/)/;
const AFTER_PARTS = /(?<=[/.])/;

function breakable(text: string, places: RegExp): Child {
  return text.split(places).map((part, at) => (
    <Fragment key={at}>
      {at > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}
