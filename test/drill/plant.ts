// Preloaded into a process of a drill: plants the bug that PLANTED_BUG names.
import { join } from 'node:path';
import { projectRoot } from '../support/server.ts';
import { PLANTED, type PlantedName } from './planted.ts';

const { file, changes } = PLANTED[process.env.PLANTED_BUG as PlantedName];
const path = join(projectRoot, 'src', file);

await Bun.plugin({
  name: 'a planted bug',
  setup(build) {
    build.onLoad({ filter: new RegExp(`${RegExp.escape(path)}$`) }, async () => {
      let contents = await Bun.file(path).text();
      for (const [piece, instead] of changes) {
        if (!contents.includes(piece)) throw new Error(`${file} has no ${piece}: the bug must be planted anew`);
        contents = contents.replace(piece, () => instead);
      }
      return { contents, loader: 'ts' };
    });
  },
});
