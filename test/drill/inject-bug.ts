// Preloaded into a process of a drill: injects the bug that INJECTED_BUG names.
import { join } from 'node:path';
import { projectRoot } from '../support/server.ts';
import { INJECTED_BUGS, type InjectedBugName } from './injected-bugs.ts';

const { file, changes } = INJECTED_BUGS[process.env.INJECTED_BUG as InjectedBugName];
const path = join(projectRoot, 'src', file);

await Bun.plugin({
  name: 'an injected bug',
  setup(build) {
    build.onLoad({ filter: new RegExp(`${RegExp.escape(path)}$`) }, async () => {
      let contents = await Bun.file(path).text();
      for (const [piece, instead] of changes) {
        if (!contents.includes(piece)) throw new Error(`${file} has no ${piece}: update this injected bug`);
        contents = contents.replace(piece, () => instead);
      }
      return { contents, loader: 'ts' };
    });
  },
});
