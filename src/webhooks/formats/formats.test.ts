import { describe, expect, test } from 'bun:test';
import Ajv from 'ajv';
import { CHANGE_TYPES, type Change } from '../../feed/change.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import { FORMAT_NAMES } from '../webhook.ts';
import type { Format } from './format.ts';
import { FORMATS } from './formats.ts';

const REGISTRY = {
  url: 'https://registry.example:5000',
  host: 'registry.example:5000',
  store: '01JZZZZZZZZZZZZZZZZZZZZZZZ',
};
const REPOSITORY = 'team/web/app' as RepositoryName;
const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const OLD = `sha256:${'b'.repeat(64)}` as Digest;
const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

const text = { type: 'string', minLength: 1 };
/** The JSON schema of CloudEvents 1.0 (cloudevents/formats/cloudevents.json of its specification), for events with data in JSON. */
const CLOUDEVENT = {
  type: 'object',
  required: ['id', 'source', 'specversion', 'type'],
  properties: {
    ...{ id: text, source: text, specversion: { const: '1.0' }, type: text, subject: text, time: text },
    datacontenttype: { const: 'application/json' },
    data: { type: 'object' },
  },
  // "CloudEvents attribute names MUST consist of lower-case letters ('a' to 'z') or digits ('0' to '9')."
  propertyNames: { pattern: '^[a-z0-9]+$' },
  additionalProperties: false,
};

let index = 0;
function change(rest: Partial<Change> & Pick<Change, 'type'>, seq = 7): Change {
  const at = index++;
  return {
    ...{ id: `${REPOSITORY}@${seq}.${at}`, repository: REPOSITORY, seq, index: at },
    ...{ time: '2026-11-28T10:15:00.250Z', actor: 'user:alice' },
    ...rest,
  };
}

const put = change({ type: 'manifest.put', digest: DIGEST, size: 1234, mediaType: MEDIA_TYPE });
const tagged = change({
  ...{ type: 'tag.set', tag: 'v1' as Tag, digest: DIGEST, previous: OLD },
  ...{ size: 1234, mediaType: MEDIA_TYPE },
});
const untagged = change({ type: 'tag.deleted', tag: 'v1' as Tag, previous: DIGEST });
const deleted = change({ type: 'manifest.deleted', digest: DIGEST });
const linked = change({ type: 'blob.linked', digest: DIGEST, size: 99 });
const mounted = change({ type: 'blob.linked', digest: DIGEST, size: 99, from: 'base' as RepositoryName });
const unlinked = change({ type: 'blob.unlinked', digest: DIGEST });
const gone = change({ type: 'repo.deleted' });
const ALL = [put, tagged, untagged, deleted, linked, mounted, unlinked, gone];

function parsed(format: Format, ...changes: readonly Change[]): Record<string, unknown> {
  return JSON.parse(format.render(changes, REGISTRY)) as Record<string, unknown>;
}

test('every format takes the changes that it names, and has a default among them', () => {
  for (const name of FORMAT_NAMES) {
    const { events, defaultEvents, render } = FORMATS[name];
    expect(defaultEvents.length).toBeGreaterThan(0);
    for (const type of defaultEvents) expect(events).toContain(type);
    for (const each of ALL.filter(({ type }) => events.includes(type)))
      expect(() => JSON.parse(render([each], REGISTRY))).not.toThrow();
  }
  expect([...FORMATS.distribution.events].sort()).toEqual([...CHANGE_TYPES].sort());
  expect([...FORMATS.cloudevents.events].sort()).toEqual([...CHANGE_TYPES].sort());
});

describe('the format distribution', () => {
  const { distribution } = FORMATS;
  const eventsOf = (...changes: readonly Change[]) =>
    parsed(distribution, ...changes).events as Record<string, unknown>[];

  test('has the media type of its version, and the fields of a pushed manifest', () => {
    expect(distribution.contentType).toBe('application/vnd.docker.distribution.events.v2+json');
    expect(eventsOf(put)).toEqual([
      {
        id: put.id,
        timestamp: '2026-11-28T10:15:00.250Z',
        action: 'push',
        target: {
          ...{ mediaType: MEDIA_TYPE, digest: DIGEST, size: 1234, length: 1234, repository: 'team/web/app' },
          url: `https://registry.example:5000/v2/team/web/app/manifests/${DIGEST}`,
        },
        request: { id: put.id, host: 'registry.example:5000', method: 'PUT', useragent: '' },
        actor: { name: 'user:alice' },
        source: { addr: 'registry.example:5000', instanceID: '01JZZZZZZZZZZZZZZZZZZZZZZZ' },
      },
    ]);
  });

  test('has one event for a push by tag, as distribution does', () => {
    const second = change({ type: 'tag.set', tag: 'v2' as Tag, digest: DIGEST, size: 1234, mediaType: MEDIA_TYPE });
    const events = eventsOf(linked, put, tagged, second);
    expect(events.map(({ action, target }) => [action, (target as { tag?: string }).tag])).toEqual([
      ['push', undefined],
      ['push', 'v1'],
      ['push', 'v2'],
    ]);
    expect(events[1]?.target).toMatchObject({ mediaType: MEDIA_TYPE, size: 1234, digest: DIGEST, tag: 'v1' });
    // Another slot may have tagged it later.
    const later = change({ type: 'tag.set', tag: 'v1' as Tag, digest: DIGEST }, 8);
    expect(eventsOf(put, later)).toHaveLength(2);
  });

  test('has the tag and the digest of what was deleted', () => {
    const targets = eventsOf(untagged, deleted, unlinked, gone).map(({ action, target }) => ({ action, target }));
    expect(targets).toEqual([
      { action: 'delete', target: { repository: 'team/web/app', tag: 'v1', digest: DIGEST } },
      { action: 'delete', target: { repository: 'team/web/app', digest: DIGEST } },
      { action: 'delete', target: { repository: 'team/web/app', digest: DIGEST } },
      { action: 'delete', target: { repository: 'team/web/app' } },
    ]);
  });

  test('tells a mount from a push', () => {
    expect(
      eventsOf(linked, mounted).map(({ action, target }) => [
        action,
        (target as { fromRepository?: string }).fromRepository,
      ]),
    ).toEqual([
      ['push', undefined],
      ['mount', 'base'],
    ]);
  });

  test('is read by Keel: the host of the request with the repository, and the tag', () => {
    const images = eventsOf(put, tagged, untagged).flatMap((event) => {
      const { action, target, request } = event as {
        readonly action: string;
        readonly target: { readonly tag?: string; readonly repository: string };
        readonly request: { readonly host: string };
      };
      // registryNotificationHandler of keel-hq/keel
      return action === 'push' && target.tag !== undefined
        ? [`${request.host}/${target.repository}:${target.tag}`]
        : [];
    });
    expect(images).toEqual(['registry.example:5000/team/web/app:v1']);
  });
});

describe('the format cloudevents', () => {
  const { cloudevents } = FORMATS;

  test('is version 1.0 in structured mode: each event has the form of its JSON schema', () => {
    expect(cloudevents.contentType).toMatch(/^application\/cloudevents\+json/);
    const isEvent = new Ajv({ allErrors: true }).compile(CLOUDEVENT);
    for (const each of ALL) {
      const event = parsed(cloudevents, each);
      isEvent(event);
      expect(isEvent.errors ?? []).toEqual([]);
      expect(event).toMatchObject({ specversion: '1.0', id: each.id, type: `marina.image.${each.type}` });
      expect(event.data).toMatchObject({ id: each.id, repository: REPOSITORY, type: each.type });
      expect(new Date(String(event.time)).toISOString()).toBe(each.time);
      expect(URL.canParse(String(event.source))).toBe(true);
    }
  });

  test('names what changed', () => {
    expect(parsed(cloudevents, tagged)).toMatchObject({
      source: 'https://registry.example:5000',
      subject: 'team/web/app:v1',
      time: '2026-11-28T10:15:00.250Z',
      datacontenttype: 'application/json',
      data: {
        tag: 'v1',
        digest: DIGEST,
        previous: OLD,
        mediaType: MEDIA_TYPE,
        size: 1234,
        actor: 'user:alice',
        seq: 7,
      },
    });
    expect(parsed(cloudevents, deleted).subject).toBe(`team/web/app@${DIGEST}`);
    expect(parsed(cloudevents, gone).subject).toBe('team/web/app');
  });

  test('is read by Argo CD Image Updater, which needs "image" in the type and takes the host from the source', () => {
    const { type, source, data, specversion } = parsed(cloudevents, tagged) as {
      readonly type: string;
      readonly source: string;
      readonly specversion: string;
      readonly data: { readonly repository: string; readonly tag: string; readonly digest: string };
    };
    // parseEvent and extractRegistryFromSource of argoproj-labs/argocd-image-updater, pkg/webhook/cloudevents.go
    expect(specversion).not.toBe('');
    expect(type).toContain('image');
    expect(source.split('/')[2]).toBe('registry.example:5000');
    expect([data.repository, data.tag, data.digest]).toEqual(['team/web/app', 'v1', DIGEST]);
  });
});

describe('the format cloudevents-batch', () => {
  const batch = FORMATS['cloudevents-batch'];

  test('is an array of the events of the format cloudevents', () => {
    expect(batch.contentType).toMatch(/^application\/cloudevents-batch\+json/);
    const events = JSON.parse(batch.render(ALL, REGISTRY)) as unknown;
    expect(events).toEqual(ALL.map((each) => parsed(FORMATS.cloudevents, each)));
  });
});

test('a body that webhooks share is that of the same change and the same registry', () => {
  const other = { ...REGISTRY, url: 'https://other.example' };
  const { cloudevents } = FORMATS;
  const sources = [REGISTRY, other, REGISTRY].map(
    (registry) => (JSON.parse(cloudevents.render([put], registry)) as { readonly source: string }).source,
  );
  expect(sources).toEqual([REGISTRY.url, other.url, REGISTRY.url]);
  expect(parsed(cloudevents, tagged).id).toBe(tagged.id);
});

describe('the format harbor', () => {
  const { harbor } = FORMATS;

  test('has the fields of Harbor', () => {
    expect(harbor.contentType).toBe('application/json');
    expect(parsed(harbor, tagged)).toEqual({
      type: 'PUSH_ARTIFACT',
      occur_at: Date.UTC(2026, 10, 28, 10, 15) / 1000,
      operator: 'user:alice',
      event_data: {
        resources: [{ digest: DIGEST, tag: 'v1', resource_url: 'registry.example:5000/team/web/app:v1' }],
        repository: { name: 'web/app', namespace: 'team', repo_full_name: 'team/web/app' },
      },
    });
    expect(parsed(harbor, untagged)).toMatchObject({
      type: 'DELETE_ARTIFACT',
      event_data: { resources: [{ digest: DIGEST, tag: 'v1', resource_url: 'registry.example:5000/team/web/app:v1' }] },
    });
    expect(parsed(harbor, put)).toMatchObject({
      type: 'PUSH_ARTIFACT',
      event_data: {
        resources: [{ digest: DIGEST, tag: DIGEST, resource_url: `registry.example:5000/team/web/app@${DIGEST}` }],
      },
    });
  });

  test('is read by Argo CD Image Updater, Kargo and Keel', () => {
    const { type, event_data } = parsed(harbor, tagged) as {
      readonly type: string;
      readonly event_data: {
        readonly resources: readonly { readonly tag: string; readonly resource_url: string }[];
        readonly repository: { readonly repo_full_name: string };
      };
    };
    // Parse of argoproj-labs/argocd-image-updater, pkg/webhook/harbor.go
    expect(type).toBe('PUSH_ARTIFACT');
    const [resource] = event_data.resources;
    expect(resource?.tag).toBe('v1');
    expect(event_data.repository.repo_full_name).toBe('team/web/app');
    expect(new URL(`https://${resource?.resource_url}`).host).toBe('registry.example:5000');
    // image.Parse of keel-hq/keel, which takes the repository and the tag from the URL
    const [, repository, tag] = /^(.+):([^:/]+)$/.exec(resource?.resource_url ?? '') ?? [];
    expect([repository, tag]).toEqual(['registry.example:5000/team/web/app', 'v1']);
  });
});
