import { createHash } from 'node:crypto';
import type { Script } from './commands.ts';

/** The same script under the same name, to be run where it takes no more room than there was: also on a server whose memory is full. */
export function alsoOnFull({ name, source }: Script): Script {
  return script(name, source.replace(/^#!lua\n/, '#!lua flags=allow-oom\n'));
}

/**
 * A script from its file. A line `-- include <name>` is replaced by what several scripts share.
 * @param source `#!lua` must be its very first line, or Redis takes it for a script of the old kind, which replicas would run
 */
export function script(name: string, source: string, shared: Readonly<Record<string, string>> = {}): Script {
  if (!source.startsWith('#!lua')) throw new Error(`${name} does not begin with #!lua`);
  const whole = source.replace(/^-- include (\w+)$/gm, (_, part: string) => {
    const text = shared[part];
    if (text === undefined) throw new Error(`${name} includes ${part}, which is not there`);
    return text.trimEnd();
  });
  return { name, source: whole, sha: createHash('sha1').update(whole).digest('hex') };
}
