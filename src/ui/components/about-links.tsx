import { cut } from '../format.ts';
import type { About } from '../load/about.ts';
import { OutsideLink } from './basics.tsx';
import { Icon } from './icon.tsx';

const MAX_TEXT = 60;
const MAX_REVISION = 12;

/** Where something comes from, in one line. */
export function AboutLinks({ about: { source, homepage, licenses, version, revision } }: { readonly about: About }) {
  if ([source, homepage, licenses, version, revision].every((each) => each === undefined)) return null;
  const links = [...new Set([source, homepage])].filter((each) => each !== undefined);
  return (
    <ul class="about">
      {links.map((link) => (
        <li key={link}>
          <Icon name="link" />
          <OutsideLink href={link}>{cut(link.replace(/^https?:\/\//, ''), MAX_TEXT)}</OutsideLink>
        </li>
      ))}
      {version !== undefined && <li>Version {cut(version, MAX_TEXT)}</li>}
      {revision !== undefined && (
        <li>
          Revision <code>{cut(revision, MAX_REVISION)}</code>
        </li>
      )}
      {licenses !== undefined && <li>{cut(licenses, MAX_TEXT)}</li>}
    </ul>
  );
}
