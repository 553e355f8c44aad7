import type { Texts } from './interface.ts';
import { fieldsOf, itemsOf, textOf } from './untrusted.ts';

/** Facts of one config, levels of its objects, and elements of one list. */
const [MAX_FACTS, MAX_DEPTH, MAX_ITEMS] = [100, 4, 20];
/** Lists of digests, which are shown as layers. */
const LEFT_OUT: ReadonlySet<string> = new Set(['rootfs', 'modelfs', 'layerDigests', 'history']);

/**
 * What a config says whose format has no reader of its own, such as that of an AI model: each text, number and list of these by its path,
 * `config.quantization`. Pure.
 */
export function flatFactsOf(json: unknown): Texts {
  const facts: [string, string][] = [];
  const visit = (value: unknown, path: string, depth: number): void => {
    for (const [name, each] of Object.entries(fieldsOf(value))) {
      if (facts.length === MAX_FACTS) return;
      if (LEFT_OUT.has(name)) continue;
      const at = path === '' ? name : `${path}.${name}`;
      const text = plainText(each);
      if (text !== undefined) facts.push([textOf(at) ?? '', text]);
      else if (depth < MAX_DEPTH) visit(each, at, depth + 1);
    }
  };
  visit(json, '', 1);
  return Object.fromEntries(facts);
}

/** @returns undefined for what is neither a value nor a list of values */
function plainText(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return textOf(value);
  const texts = itemsOf(value)
    .slice(0, MAX_ITEMS)
    .flatMap((each) => (typeof each === 'string' || typeof each === 'number' ? [String(each)] : []));
  return texts.length === 0 ? undefined : textOf(texts.join(', '));
}
