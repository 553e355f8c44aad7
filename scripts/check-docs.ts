// Part of `npm run check`: docs/configuration.md is generated, links between pages resolve, and no two decisions share a number.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { configurationPage } from './configuration-page.ts';

const root = new URL('../', import.meta.url);
const pages = new Map(
  ['README.md', 'CHANGELOG.md', 'SECURITY.md', ...below('docs')].map((name) => [
    name,
    readFileSync(new URL(name, root), 'utf8'),
  ]),
);
const faults = [...brokenLinks(), ...sharedNumbers()];
if (pages.get('docs/configuration.md') !== configurationPage())
  faults.push('docs/configuration.md is out of date: run `npm run docs`');
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);

function below(folder: string): string[] {
  const names = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.md')).map((name) => `${folder}/${name}`);
}

function* brokenLinks(): Iterable<string> {
  for (const [page, text] of pages) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s:]+)\)/g)) {
      const link = new URL(target, new URL(page, root));
      const name = link.pathname.slice(root.pathname.length);
      const linked = pages.get(name);
      const exists =
        linked === undefined
          ? existsSync(new URL(name, root))
          : link.hash === '' || headingsOf(linked).has(link.hash.slice(1));
      if (!exists) yield `${page}: the link ${target} is broken`;
    }
  }
}

/** The anchors of a page's headings. */
function headingsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return new Set(headings.map((heading) => heading.replace(/[^\w\- ]/g, '').replaceAll(' ', '-')));
}

function* sharedNumbers(): Iterable<string> {
  const names = [...pages.keys()].filter((name) => name.startsWith('docs/decisions/'));
  const byNumber = Map.groupBy(names, (name) => name.slice(0, 'docs/decisions/0000'.length));
  for (const same of byNumber.values()) if (same.length > 1) yield `decisions share a number: ${same.join(', ')}`;
}
