// Imports point one way (docs/architecture.md); this test enforces it.
import { beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { projectRoot } from './support/server.ts';

interface Import {
  readonly from: string;
  /** The specifier: a path or a package. */
  readonly specifier: string;
  /** The file of the project; undefined for packages. */
  readonly file: string | undefined;
  readonly typeOnly: boolean;
}

/** The folders that each folder of src/ may import, besides itself and packages. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  system: [],
  storage: ['system', 'oci'],
  threads: ['config', 'telemetry', 'oci'],
  'rule-file': [],
  access: ['rule-file', 'config', 'system', 'journal', 'storage', 'oci'],
  telemetry: ['system'],
  // Redis URLs are parsed in the folder of Redis.
  config: ['storage', 'projection'],
  journal: ['storage', 'oci'],
  projection: ['journal', 'storage', 'oci'],
  registry: ['projection', 'journal', 'storage', 'access', 'oci'],
  feed: ['projection', 'journal', 'storage', 'access', 'oci'],
  replica: ['feed', 'collection', 'registry', 'projection', 'journal', 'access', 'storage', 'system', 'oci'],
  past: ['registry', 'projection', 'journal', 'access', 'storage', 'system', 'oci'],
  inspection: ['past', 'registry', 'access', 'system', 'oci'],
  overview: ['inspection', 'past', 'registry', 'projection', 'journal', 'storage', 'access', 'system', 'oci'],
  quotas: ['collection', 'projection', 'journal', 'access', 'config', 'oci'],
  rules: ['quotas', 'feed', 'past', 'registry', 'access', 'oci'],
  collection: ['system', 'access', 'past', 'registry', 'projection', 'journal', 'storage', 'oci'],
  retention: ['access', 'collection', 'registry', 'projection', 'journal', 'storage', 'config', 'rule-file', 'oci'],
  pins: ['collection', 'registry', 'access', 'storage', 'oci'],
  backup: ['collection', 'registry', 'past', 'journal', 'storage', 'system', 'oci'],
  webhooks: ['feed', 'access', 'rule-file', 'config', 'journal', 'storage', 'oci'],
  control: ['backup', 'webhooks', 'collection', 'retention', 'importing', 'registry', 'access', 'oci'],
  importing: ['collection', 'registry', 'projection', 'journal', 'storage', 'oci'],
  archive: ['importing', 'registry', 'journal', 'storage', 'oci'],
  sessions: ['system', 'registry', 'projection', 'storage', 'oci'],
  jobs: ['collection', 'retention', 'registry', 'projection', 'journal', 'storage', 'oci'],
  operations: [
    ...[
      'backup',
      'webhooks',
      'jobs',
      'collection',
      'retention',
      'replica',
      'feed',
      'registry',
      'projection',
      'access',
      'storage',
      'system',
      'oci',
    ],
  ],
  tls: ['access'],
  ui: [
    'operations',
    'pins',
    'retention',
    'overview',
    'inspection',
    'past',
    'feed',
    'rule-file',
    'registry',
    'access',
    'oci',
  ],
  http: [
    'pins',
    'retention',
    'ui',
    'system',
    'operations',
    'overview',
    'inspection',
    'feed',
    'replica',
    'past',
    'rule-file',
    'registry',
    'projection',
    'storage',
    'access',
    'telemetry',
    'oci',
  ],
  cli: [
    'backup',
    'webhooks',
    'jobs',
    'collection',
    'retention',
    'importing',
    'feed',
    'replica',
    'archive',
    'past',
    'registry',
    'projection',
    'journal',
    'storage',
    'access',
    'config',
    'rule-file',
    'system',
    'oci',
  ],
};

/** Folders of which these may import only types. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  http: ['projection', 'storage', 'pins', 'retention', 'operations', 'overview', 'inspection'],
  ui: ['operations', 'past', 'registry', 'access', 'pins', 'retention'],
};

/** How moments, and what can be compared, are written: pages have both in their addresses. */
const WORDS: readonly string[] = ['src/past/moment.ts', 'src/past/comparable.ts'];

/** The only places that connect parts; they are imported only by each other. */
const WIRING = [
  'src/wiring.ts',
  'src/wiring/access.ts',
  'src/wiring/access-rules.ts',
  'src/wiring/backup.ts',
  'src/wiring/basics.ts',
  'src/wiring/blob-cache.ts',
  'src/wiring/cluster.ts',
  'src/wiring/cluster-jobs.ts',
  'src/wiring/collection.ts',
  'src/wiring/config-files.ts',
  'src/wiring/disk-threads.ts',
  'src/wiring/early-loading.ts',
  'src/wiring/embedded.ts',
  'src/wiring/embedded-background.ts',
  'src/wiring/expiring.ts',
  'src/wiring/feed.ts',
  'src/wiring/expired-uploads.ts',
  'src/wiring/fixable.ts',
  'src/wiring/insights.ts',
  'src/wiring/jobs.ts',
  'src/wiring/importing.ts',
  'src/wiring/listeners.ts',
  'src/wiring/listing-failure.ts',
  'src/wiring/oidc.ts',
  'src/wiring/overview.ts',
  'src/wiring/pace.ts',
  'src/wiring/operations.ts',
  'src/wiring/operator.ts',
  'src/wiring/passwords.ts',
  'src/wiring/past.ts',
  'src/wiring/news.ts',
  'src/wiring/node-ports.ts',
  'src/wiring/judge.ts',
  'src/wiring/request-limits.ts',
  'src/wiring/presence.ts',
  'src/wiring/pulls.ts',
  'src/wiring/quotas.ts',
  'src/wiring/read-only.ts',
  'src/wiring/replica.ts',
  'src/wiring/replica-commands.ts',
  'src/wiring/replica-source.ts',
  'src/wiring/replica-status.ts',
  'src/wiring/retention.ts',
  'src/wiring/repository-index.ts',
  'src/wiring/restricted-access.ts',
  'src/wiring/restricted-files.ts',
  'src/wiring/robot-logins.ts',
  'src/wiring/robots.ts',
  'src/wiring/redis.ts',
  'src/wiring/registry.ts',
  'src/wiring/store.ts',
  'src/wiring/store-owner.ts',
  'src/wiring/thread-share.ts',
  'src/wiring/threads.ts',
  'src/wiring/tls.ts',
  'src/wiring/token-server.ts',
  'src/wiring/token-server-settings.ts',
  'src/wiring/tokens.ts',
  'src/wiring/ui.ts',
  'src/wiring/webhook-file.ts',
  'src/wiring/webhook-operator.ts',
  'src/wiring/webhooks.ts',
  'src/wiring/writable.ts',
  'src/app.ts',
  'src/serving.ts',
  'src/thread.ts',
  'src/main.ts',
  'src/cli/main.ts',
  'src/cli/verbs/accounts.ts',
  'src/cli/verbs/backup.ts',
  'src/cli/verbs/groups.ts',
  'src/cli/verbs/history.ts',
  'src/cli/verbs/pins.ts',
  'src/cli/verbs/replica.ts',
  'src/cli/verbs/run.ts',
  'src/cli/verbs/slot-number.ts',
  'src/cli/verbs/transfers.ts',
  'src/cli/verbs/undo.ts',
  'src/cli/verbs/upkeep.ts',
  'src/cli/verbs/webhooks.ts',
  'src/worker.ts',
  'src/worker-store.ts',
];

/** Files at the top of src/ that belong to a folder. */
const BELONGS_TO: Readonly<Record<string, string>> = { 'src/config.ts': 'config' };

/** The parts of storage/ that other folders may import; none is a specific driver. */
const STORAGE_INTERFACE = [
  'driver',
  'not-durable',
  'paths',
  'crash-points',
  'foreign',
  'digest-object',
  'archive',
  'prepare',
  'stored-reports',
  'keys-below',
].map((name) => `src/storage/${name}.ts`);
const USES_STORAGE = [
  'access',
  'archive',
  'journal',
  'projection',
  'registry',
  'feed',
  'past',
  'overview',
  'collection',
  'retention',
  'pins',
  'importing',
  'backup',
  'sessions',
  'jobs',
  'webhooks',
  'http',
  'config',
];

/** Code above the past imports only its interface and how its moments and names are written. */
const PAST_SEEN_BY: Readonly<Record<string, readonly string[]>> = {
  http: ['interface', 'diff-side', 'moment', 'comparable', 'past-names', 'manifest-diff', 'repository-diff'].map(
    (name) => `src/past/${name}.ts`,
  ),
  ui: ['interface', 'diff-side', 'moment', 'comparable', 'past-names', 'manifest-diff', 'repository-diff'].map(
    (name) => `src/past/${name}.ts`,
  ),
  rules: ['interface', 'past-names'].map((name) => `src/past/${name}.ts`),
};

/** Code above the feed imports only its interface, and how its changes and cursors are written. */
const FEED_SEEN_BY: Readonly<Record<string, readonly string[]>> = {
  http: ['change', 'cursor', 'feed'].map((name) => `src/feed/${name}.ts`),
  rules: ['cursor', 'feed'].map((name) => `src/feed/${name}.ts`),
};

/** Code above the registry interface imports only the interface, not its implementation. */
const REGISTRY_SEEN_BY: Readonly<Record<string, readonly string[]>> = {
  http: ['interface', 'maybe-async', 'upload-body'].map((name) => `src/registry/${name}.ts`),
  ui: ['src/registry/interface.ts'],
  rules: ['interface', 'maybe-async', 'policy', 'require-repository', 'upload-body', 'write-switch'].map(
    (name) => `src/registry/${name}.ts`,
  ),
};

/** Code above replication imports only its interface and what travels. */
const REPLICA_SEEN_BY: Readonly<Record<string, readonly string[]>> = {
  http: ['interface', 'protocol'].map((name) => `src/replica/${name}.ts`),
};

/** The only places that may import these packages. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  elysia: ['src/http/'],
  '@asteasolutions/': ['src/http/'],
  preact: ['src/ui/jsx/', 'src/ui/browser/'],
  'preact-render-to-string': ['src/ui/jsx/'],
  'markdown-it': ['src/ui/components/markdown.tsx'],
  'd3-hierarchy': ['src/ui/models/'],
  pino: ['src/telemetry/'],
  'pino-pretty': ['src/telemetry/'],
  'prom-client': ['src/telemetry/'],
  yaml: ['src/rule-file/'],
  jose: ['src/access/'],
  oauth4webapi: ['src/access/oidc/'],
  ioredis: ['src/projection/redis/', 'src/jobs/'],
  bullmq: ['src/jobs/', 'workers/'],
  '@aws-sdk/': ['src/storage/s3/'],
  '@smithy/': ['src/storage/s3/'],
  tar: ['src/archive/', 'src/inspection/chart-values.ts'],
  commander: ['src/cli/'],
  'bun:sqlite': ['src/overview/'],
  'cli-progress': ['src/cli/'],
};

/** Cycles of types, each with its reason. */
const TYPE_CYCLES: Readonly<Record<string, string>> = {};

// Comments; then whole imports and exports with their source, imports without names, and dynamic imports.
const COMMENTS = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
const STATEMENT =
  /^\s*(?<what>import|export)\s+(?<type>type\s+)?(?<names>[^'"`;]*?)\s*\bfrom\s*['"](?<named>[^'"]+)['"]/gm;
const BARE = /^\s*import\s*['"](?<bare>[^'"]+)['"]/gm;
const DYNAMIC =
  /\bimport\(\s*['"](?<dynamic>[^'"]+)['"]\s*\)|\bnew URL\(\s*['"](?<url>\.[^'"]+)['"],\s*import\.meta\.url\s*\)/g;

function importsOf(from: string, code: string): Import[] {
  const text = code.replace(COMMENTS, '');
  const found: Import[] = [];
  const add = (specifier: string | undefined, typeOnly: boolean): void => {
    if (specifier === undefined) return;
    const path = specifier.startsWith('.') ? join(dirname(from), specifier) : undefined;
    found.push({ from, specifier, file: path, typeOnly });
  };
  for (const { groups } of text.matchAll(STATEMENT)) {
    const names = groups?.names ?? '';
    const isList = /^\{[\s\S]*\}$/.test(names);
    const allTypes =
      isList &&
      names
        .slice(1, -1)
        .split(',')
        .every((each) => each.trim() === '' || /^type\s/.test(each.trim()));
    add(groups?.named, groups?.type !== undefined || allTypes);
  }
  for (const { groups } of text.matchAll(BARE)) add(groups?.bare, false);
  for (const { groups } of text.matchAll(DYNAMIC)) add(groups?.dynamic ?? groups?.url, false);
  return found;
}

function folderOf(file: string): string | undefined {
  return BELONGS_TO[file] ?? /^src\/([^/]+)\//.exec(file)?.[1];
}

function isTest(file: string): boolean {
  return /\.test\.tsx?$/.test(file);
}

const files: string[] = [];
const imports: Import[] = [];

beforeAll(async () => {
  for (const pattern of ['src/**/*.{ts,tsx,js}', 'workers/**/*.ts']) {
    files.push(...[...new Bun.Glob(pattern).scanSync(projectRoot)].filter((file) => !isTest(file)).sort());
  }
  for (const file of files) imports.push(...importsOf(file, await Bun.file(join(projectRoot, file)).text()));
});

describe('the imports that this test finds', () => {
  test('are all imports that the transpiler sees, and those of types', async () => {
    for (const file of files) {
      const transpiler = new Bun.Transpiler({ loader: file.endsWith('.tsx') ? 'tsx' : 'ts' });
      const code = await Bun.file(join(projectRoot, file)).text();
      const own = imports.filter(({ from }) => from === file).map(({ specifier }) => specifier);
      // Of every file with JSX it also names the runtime of JSX, by the name that it has without our tsconfig.json.
      const seen = transpiler.scanImports(code).filter(({ path }) => !/^react(?:\/|$)/.test(path));
      for (const { path } of seen) expect(own).toContain(path);
    }
    expect(files.length).toBeGreaterThan(50);
    expect(imports.filter(({ typeOnly }) => typeOnly).length).toBeGreaterThan(50);
  });

  test('resolve to files that exist', () => {
    const missing = imports.filter(({ file }) => file !== undefined && !existsSync(join(projectRoot, file)));
    expect(missing).toEqual([]);
  });

  test('include every form of import', () => {
    const code = `import a from './a.ts';
      import type { B } from './b.ts';
      import { type C, type D } from './c.ts';
      import { type E, f } from './e.ts'; // import './comment.ts'
      import * as g from 'package';
      import h, {
        type I,
        j,
      } from './h.ts';
      export { k } from './k.ts';
      export type { L } from './l.ts';
      export * from './m.ts';
      import './bare.ts';
      /* import './no.ts' */
      await import('./dynamic.ts');
      new Worker(new URL('./worker.ts', import.meta.url).href);`;
    const seen = importsOf('src/x/y.ts', code).map(
      ({ specifier, typeOnly }) => `${typeOnly ? 'type ' : ''}${specifier}`,
    );
    expect(seen.sort()).toEqual(
      [
        ...['./a.ts', 'type ./b.ts', 'type ./c.ts', './e.ts', 'package', './h.ts', './k.ts', 'type ./l.ts', './m.ts'],
        ...['./bare.ts', './dynamic.ts', './worker.ts'],
      ].sort(),
    );
  });
});

describe('imports', () => {
  test('point one way between the folders', () => {
    const wrong = imports.filter(({ from, file }) => {
      if (file === undefined || WIRING.includes(from)) return false;
      const [source, target] = [folderOf(from), folderOf(file)];
      if (source === undefined) return false;
      return target !== source && !(target !== undefined && LAYERS[source]?.includes(target));
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('are of types only where only types are allowed', () => {
    const wrong = imports.filter(({ from, file, typeOnly }) => {
      const target = file === undefined || WORDS.includes(file) ? undefined : folderOf(file);
      return !typeOnly && target !== undefined && TYPES_ONLY[folderOf(from) ?? '']?.includes(target) === true;
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('are declared for every folder', () => {
    const unknown = files.filter((file) => {
      const folder = folderOf(file);
      return (
        file.startsWith('src/') && !WIRING.includes(file) && (folder === undefined || LAYERS[folder] === undefined)
      );
    });
    expect(unknown).toEqual([]);
  });

  test('of the wiring come only from the wiring', () => {
    const wrong = imports.filter(
      ({ from, file }) =>
        file !== undefined && WIRING.includes(file) && !WIRING.includes(from) && !from.startsWith('workers/'),
    );
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of storage name no specific driver', () => {
    const wrong = imports.filter(({ from, file }) => {
      if (WIRING.includes(from) || !USES_STORAGE.includes(folderOf(from) ?? '')) return false;
      return file?.startsWith('src/storage/') === true && !STORAGE_INTERFACE.includes(file);
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of the registry from above it are only of its interface', () => {
    const wrong = imports.filter(({ from, file }) => {
      const seen = REGISTRY_SEEN_BY[folderOf(from) ?? ''];
      return seen !== undefined && file?.startsWith('src/registry/') === true && !seen.includes(file);
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of the past from above it are only of its interface', () => {
    const wrong = imports.filter(({ from, file }) => {
      const seen = PAST_SEEN_BY[folderOf(from) ?? ''];
      return seen !== undefined && file?.startsWith('src/past/') === true && !seen.includes(file);
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of the feed from above it are only of its interface', () => {
    const wrong = imports.filter(({ from, file }) => {
      const seen = FEED_SEEN_BY[folderOf(from) ?? ''];
      return seen !== undefined && file?.startsWith('src/feed/') === true && !seen.includes(file);
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of replication from above it are only of its interface', () => {
    const wrong = imports.filter(({ from, file }) => {
      const seen = REPLICA_SEEN_BY[folderOf(from) ?? ''];
      return seen !== undefined && file?.startsWith('src/replica/') === true && !seen.includes(file);
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of packages with a fixed place are only there', () => {
    const wrong = imports.filter(({ from, specifier }) => {
      const home = Object.entries(HOMES).find(
        ([name]) => specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`),
      );
      return home !== undefined && !home[1].some((folder) => from.startsWith(folder));
    });
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });

  test('of production code never lead to tests or their helpers', () => {
    const wrong = imports.filter(({ file }) => file !== undefined && (file.startsWith('test/') || isTest(file)));
    expect(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([]);
  });
});

/** Import cycles; at least one if there are any. */
function cyclesIn(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, file } of edges) if (file !== undefined) targets.set(from, [...(targets.get(from) ?? []), file]);
  const cycles = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      const cycle = path.slice(at);
      const first = cycle.indexOf([...cycle].sort()[0] ?? '');
      cycles.add([...cycle.slice(first), ...cycle.slice(0, first)].map((each) => relative('src', each)).join(' -> '));
      return;
    }
    if (finished.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    finished.add(file);
  };
  const finished = new Set<string>();
  for (const file of targets.keys()) visit(file, []);
  return [...cycles].sort();
}

test('responses are created in one place, so that all get the common headers', async () => {
  const files = [...new Bun.Glob('src/http/**/*.{ts,tsx}').scanSync(projectRoot)].filter((file) => !isTest(file));
  const makers = await Promise.all(
    files.map(async (file) =>
      /\bnew Response\(|\bResponse\.json\(/.test(await Bun.file(join(projectRoot, file)).text()) ? [file] : [],
    ),
  );
  expect(makers.flat()).toEqual(['src/http/response.ts']);
});

describe('between files', () => {
  test('there are no cycles at run time', () => {
    expect(cyclesIn(imports.filter(({ typeOnly }) => !typeOnly))).toEqual([]);
  });

  test('there are no cycles of types except the listed ones', () => {
    expect(cyclesIn(imports)).toEqual(Object.keys(TYPE_CYCLES).sort());
  });
});
