import { z } from 'zod';
import { DURATION_FORMS, parseDuration } from '../config/duration.ts';
import { Patterns, patterns } from '../rule-file/patterns.ts';
import { parseRuleFile } from '../rule-file/yaml-file.ts';
import { type Keep, RetentionPolicy, type Rule, type Which } from './policy.ts';

/** Each entry has its own bit in `Matches`. */
const MAX_ENTRIES = 30;

const tags = patterns('tag');
const duration = z.string(`${DURATION_FORMS} is expected`).transform((text, context) => {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  context.addIssue({ code: 'custom', message: `${DURATION_FORMS} is expected, and not nothing` });
  return z.NEVER;
});

const CONDITIONS = ['newest', 'pushedWithin', 'pulledWithin'] as const;

const keep = z
  .strictObject({
    tags: tags.optional(),
    newest: z.int('a whole number is expected').min(1, 'a number from 1 on is expected').optional(),
    pushedWithin: duration.optional(),
    pulledWithin: duration.optional(),
  })
  .superRefine((entry, context) => {
    const given = CONDITIONS.filter((name) => entry[name] !== undefined);
    // It would be easy to misread whether one or both must hold, and then tags would be deleted by mistake.
    if (given.length > 1) {
      context.addIssue({
        code: 'custom',
        message: `${given.join(' and ')} in one entry: put each into a separate entry`,
      });
    }
    if (given.length === 0 && entry.tags === undefined) {
      context.addIssue({ code: 'custom', message: `one of tags, ${CONDITIONS.join(', ')} is expected` });
    }
  });

const rule = z.strictObject({
  name: z
    .string()
    .regex(/^[^\p{C}]{1,100}$/u, 'a name of 1 to 100 characters is expected')
    .optional(),
  repositories: patterns('repository'),
  immutable: z.strictObject({ tags, except: tags.optional() }).optional(),
  keep: z
    .array(keep)
    .max(MAX_ENTRIES, `at most ${MAX_ENTRIES} entries are expected`)
    .min(1, 'an empty list would delete every tag; leave `keep` out to keep them all')
    .optional(),
  deleteUntagged: duration.optional(),
});

const file = z.strictObject({ rules: z.array(rule).min(1, 'at least one rule is expected') });

/**
 * Parses a retention file.
 * @throws RuleFileError for the first problem
 */
export function parsePolicy(text: string): RetentionPolicy {
  return new RetentionPolicy(parseRuleFile(text, file, 'a retention file').value.rules.map(toRule));
}

function toRule({ name, repositories, immutable, keep, deleteUntagged }: z.infer<typeof rule>, index: number): Rule {
  return {
    name: name ?? `rule ${index + 1}`,
    repositories: new Patterns(repositories),
    immutable: immutable && { tags: new Patterns(immutable.tags), except: new Patterns(immutable.except ?? []) },
    keep: keep?.map(toKeep),
    deleteUntagged,
  };
}

function toKeep(entry: z.infer<typeof keep>): Keep {
  return { tags: new Patterns(entry.tags ?? ['*']), which: toWhich(entry) };
}

function toWhich({ newest, pushedWithin, pulledWithin }: z.infer<typeof keep>): Which {
  if (newest !== undefined) return { kind: 'newest', count: newest };
  if (pushedWithin !== undefined) return { kind: 'pushed-within', duration: pushedWithin };
  return pulledWithin === undefined ? { kind: 'all' } : { kind: 'pulled-within', duration: pulledWithin };
}
