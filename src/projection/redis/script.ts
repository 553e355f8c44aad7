import { createHash } from 'node:crypto';
import type { Script } from './commands.ts';

/** The same script, allowed to run when Redis is full; for calls that need no more memory. */
export function allowOom({ name, source }: Script): Script {
  return script(name, source.replace(/^#!lua\n/, '#!lua flags=allow-oom\n'));
}

/**
 * Makes a script from its file. A line `-- include <name>` is replaced by a shared part.
 * @param source must begin with `#!lua`, or Redis takes it for a legacy script, which replicas would run
 */
export function script(name: string, source: string, shared: Readonly<Record<string, string>> = {}): Script {
  if (!source.startsWith('#!lua')) throw new Error(`${name} does not begin with #!lua`);
  const whole = source.replace(/^-- include (\w+)$/gm, (_, part: string) => {
    const text = shared[part];
    if (text === undefined) throw new Error(`${name} includes ${part}, which does not exist`);
    return text.trimEnd();
  });
  return { name, source: whole, sha: createHash('sha1').update(whole).digest('hex') };
}
