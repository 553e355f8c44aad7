// The works of the cluster: the same measurements as for the embedded shape, with the cluster's bars.
import type { Work } from '../work.ts';
import { curveWorks } from './cluster-curves.ts';
import { limitWorks } from './cluster-limits.ts';
import { CLUSTER, WITHOUT_COPIES } from './cluster-servers.ts';
import { CLIENTS, push } from './push.ts';
import { small } from './small.ts';
import { pull, pullTwice, upload } from './stream.ts';
import { tags } from './tags.ts';

const TAGS = { page: 200, walk: 200, whole: 200 };

export const clusterWorks: Work[] = [
  small({ name: 'manifest-get', about: 'GET manifest by tag', method: 'GET', of: 'manifest', bar: 20 }, CLUSTER),
  small({ name: 'blob-head', about: 'HEAD blob', method: 'HEAD', of: 'blob', bar: 5 }, CLUSTER),
  small({ name: 'blob-get', about: 'GET blob of 3 KB', method: 'GET', of: 'blob', bar: 10 }, CLUSTER),
  push('push-one', 'image push, 1 repository', ['team/service'], 4, CLUSTER),
  push(
    'push-many',
    'image push, 32 repositories',
    Array.from({ length: CLIENTS }, (_, n) => `team/service-${n}`),
    3,
    CLUSTER,
  ),
  upload('upload-put', 'put', 'POST + PUT', 1.1, CLUSTER),
  pull('pull-one', { parallel: 1, times: 3 }, 'one', 1, CLUSTER),
  pullTwice(1, CLUSTER),
  pull('pull-one', { parallel: 1, times: 3 }, 'one', 1, WITHOUT_COPIES),
  pull('pull-eight', { parallel: 8, times: 1 }, '8 at once', 1, WITHOUT_COPIES),
  tags(10_000, false, TAGS, CLUSTER),
  tags(100_000, true, TAGS, CLUSTER),
  ...limitWorks,
  ...curveWorks,
];
