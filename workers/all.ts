import { runWorker } from '../src/worker.ts';
import { openWorkerStore } from '../src/worker-store.ts';

await runWorker(
  ['snapshot', 'sweep-snapshots', 'sweep-notes', 'expire-uploads', 'reap-multiparts', 'collect', 'retain'],
  openWorkerStore,
);
