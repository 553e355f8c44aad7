import type { RepositoryName } from '../oci/names.ts';
import type { RuleOutlook, ShownOutlook, ShownTag } from './interface.ts';
import type { Outlook, RepositoryOutlook } from './outlook.ts';

/** What a caller sees of an outlook. Pure. @param shows whether the caller may list a repository @param limit tags that are listed */
export function shownOutlook(outlook: Outlook, shows: (repo: RepositoryName) => boolean, limit: number): ShownOutlook {
  const seen = outlook.repositories.filter(({ repo }) => shows(repo));
  const rulesOf = new Map(seen.map(({ repo, rule }) => [repo, outlook.rules[rule]]));
  const tags: ShownTag[] = [];
  let more = false;
  for (const tag of outlook.tags) {
    const rule = rulesOf.get(tag.repo);
    if (rule === undefined) continue;
    more = tags.length === limit;
    if (more) break;
    tags.push({ ...tag, rule: rule.name, because: rule.keep?.[tag.entry - 1] });
  }
  const rules = outlook.rules.flatMap((rule, number): RuleOutlook[] => {
    const own = seen.filter((each) => each.rule === number);
    return own.length === 0 ? [] : [{ rule, ...sumsOf(own, rule.keep?.length ?? 0) }];
  });
  return { kind: 'known', computedAt: outlook.computedAt, rules, tags, more };
}

function sumsOf(own: readonly RepositoryOutlook[], entries: number): Omit<RuleOutlook, 'rule'> {
  const sum = (of: (each: RepositoryOutlook) => number): number => own.reduce((total, each) => total + of(each), 0);
  return {
    repositories: own.length,
    tags: sum(({ tags }) => tags),
    going: sum(({ going }) => going),
    immutable: sum(({ immutable }) => immutable),
    keptBy: Array.from({ length: entries }, (_, entry) => sum(({ keptBy }) => keptBy[entry] ?? 0)),
    untagged: { count: sum(({ untagged }) => untagged.count), bytes: sum(({ untagged }) => untagged.bytes) },
  };
}
