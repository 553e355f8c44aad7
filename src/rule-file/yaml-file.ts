import { LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';

/**
 * An unusable rule file. The message is one line with the position in the file. It shows no content, because the setting may name
 * a wrong file, with secrets.
 */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError';
}

export interface RuleFile<T> {
  readonly value: T;
  /** Line of the node at this path, or of its nearest parent that exists; the first line is 1. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

const MAX_CHARACTERS = 1_000_000;

/**
 * Parses a rule file.
 * @param what kind of file, such as `a retention file`
 * @throws RuleFileError for the first problem
 */
export function parseRuleFile<T>(text: string, shape: z.ZodType<T>, what: string): RuleFile<T> {
  if (text.length > MAX_CHARACTERS) throw new RuleFileError(`it is longer than ${MAX_CHARACTERS} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) throw new RuleFileError(`${at(broken.pos[0])}: ${withoutContent(broken.message)}`);
  const parsed = shape.safeParse(contentOf(document, at));
  if (parsed.success) {
    return { value: parsed.data, lineOf: (path) => lines.linePos(offsetOf(document, path)).line };
  }
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw new RuleFileError(`it is not ${what}`);
  const { path, message } = problemOf(issue);
  const where = path.length === 0 ? '' : ` (${pathText(path)})`;
  throw new RuleFileError(`${at(offsetOf(document, path))}${where}: ${oneLine(message)}`);
}

type Document = ReturnType<typeof parseDocument>;

function contentOf(document: Document, at: (offset: number) => string): unknown {
  // Copying an object in JavaScript may lose a key of this name, and with it a condition of a rule.
  visit(document, {
    Pair: (_, { key }) => {
      if (isNode(key) && 'value' in key && key.value === '__proto__')
        throw new RuleFileError(`${at(startOf(key) ?? 0)}: there is no such key`);
    },
  });
  try {
    return document.toJS();
  } catch (error) {
    // Aliases without an anchor, or too many aliases.
    const message = withoutContent(error instanceof Error ? error.message : String(error));
    throw new RuleFileError(`${at(offsetOfAlias(document) ?? 0)}: ${message}`);
  }
}

/** The position of the first alias without an anchor, or else of the last alias. */
function offsetOfAlias(document: Document): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias: (_, alias) => {
      offset = startOf(alias);
      return alias.resolve(document) === undefined ? visit.BREAK : undefined;
    },
  });
  return offset;
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function problemOf(issue: z.core.$ZodIssue): Problem {
  if (issue.code === 'unrecognized_keys') {
    return { path: [...issue.path, ...issue.keys.slice(0, 1)], message: 'there is no such key' };
  }
  if (issue.code === 'invalid_key') return { path: issue.path, message: issue.issues[0]?.message ?? issue.message };
  if (issue.code === 'invalid_union') {
    // The intended form is the one whose type the value has.
    const meant = issue.errors
      .map(([first]) => first)
      .filter((first) => first?.code !== 'invalid_type' || first.path.length > 0);
    const [inner] = meant;
    if (meant.length === 1 && inner !== undefined) {
      const { path, message } = problemOf(inner);
      return { path: [...issue.path, ...path], message };
    }
  }
  return issue;
}

/** The position of the node at this path, or of its nearest existing parent. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const offset = startOf(document.getIn(path.slice(0, length), true));
    if (offset !== undefined) return offset;
  }
  return document.contents?.range?.[0] ?? 0;
}

function startOf(node: unknown): number | undefined {
  if (!isNode(node) || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const [start] = node.range;
  return typeof start === 'number' ? start : undefined;
}

function isNode(node: unknown): node is object {
  return typeof node === 'object' && node !== null;
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((each) => (typeof each === 'number' ? `[${each}]` : `.${String(each)}`)).join('');
  return oneLine(text.replace(/^\./, ''));
}

/** Some messages of the YAML library end with content of the file. */
function withoutContent(message: string): string {
  return oneLine(message.split(/:\s|["'`]/, 1)[0] ?? '');
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}
