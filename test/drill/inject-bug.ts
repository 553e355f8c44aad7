// Preloaded into a process of a drill: injects the bug that INJECTED_BUG names.
import { join } from 'node:path';
import { projectRoot } from '../support/server.ts';
import { INJECTED_BUGS, type InjectedBugName, THREAD_BUGS, type ThreadBugName } from './injected-bugs.ts';

const bugs = { ...INJECTED_BUGS, ...THREAD_BUGS };
const { file, changes } = bugs[process.env.INJECTED_BUG as InjectedBugName | ThreadBugName];
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
