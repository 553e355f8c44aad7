import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { DURATION_FORMS, parseDuration } from '../config/duration.ts';
import { Patterns, problemOfPattern } from './patterns.ts';
import { type Keep, RetentionPolicy, type Rule, type Which } from './policy.ts';

/** An unusable retention file. The message is one line and names the place in the file. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** Each entry has its own bit in `Matches`. */
const MAX_ENTRIES = 30;
const MAX_CHARACTERS = 1_000_000;

function patterns(kind: Parameters<typeof problemOfPattern>[0]): z.ZodType<string[], string[]> {
  const one = z.string().superRefine((text, context) => {
    const problem = problemOfPattern(kind, text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
  return z.array(one).min(1, 'at least one pattern is expected');
}

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
 * @throws PolicyError for the first problem
 */
export function parsePolicy(text: string): RetentionPolicy {
  if (text.length > MAX_CHARACTERS) throw new PolicyError(`it is longer than ${MAX_CHARACTERS} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) throw new PolicyError(`${at(broken.pos[0])}: ${withoutContent(broken.message)}`);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases without an anchor, or too many aliases.
    throw new PolicyError(withoutContent(error instanceof Error ? error.message : String(error)));
  }
  const parsed = file.safeParse(value);
  if (parsed.success) return new RetentionPolicy(parsed.data.rules.map(toRule));
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw new PolicyError('it is no retention file');
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...unknown];
  const message = unknown.length > 0 ? 'there is no such key' : oneLine(issue.message);
  const where = path.length === 0 ? '' : ` (${pathText(path)})`;
  throw new PolicyError(`${at(offsetOf(document, path))}${where}: ${message}`);
}

type Document = ReturnType<typeof parseDocument>;

/** The position of the node at this path, or of its nearest existing parent. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) continue;
    const [start] = node.range;
    if (typeof start === 'number') return start;
  }
  return document.contents?.range?.[0] ?? 0;
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((each) => (typeof each === 'number' ? `[${each}]` : `.${String(each)}`)).join('');
  return text.replace(/^\./, '');
}

/** Some messages of the YAML library end with the file's content, and a file named by mistake may hold a secret. */
function withoutContent(message: string): string {
  return oneLine(message.split(/:\s|["'`]/, 1)[0] ?? '');
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
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
