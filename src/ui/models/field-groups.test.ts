import { expect, test } from 'bun:test';
import { groupFields } from './field-groups.ts';

test('fields that differ are grouped, and named without what a group has in common', () => {
  const fields = [
    'annotations.org.opencontainers.image.version',
    'artifactType',
    'config.architecture',
    'config.config.Cmd',
    'config.config.Env.PATH',
    'config.config.ExposedPorts.80/tcp',
    'config.config.Labels.a.b',
    'config.config.User',
    'config.config.Volumes./data',
  ].map((field) => ({ field, from: undefined, to: 'x' }));
  expect(groupFields(fields).map(({ title, fields: own }) => [title, ...own.map(({ field }) => field)])).toEqual([
    ['Environment', 'PATH'],
    ['Ports', '80/tcp'],
    ['Volumes', '/data'],
    ['Labels', 'a.b'],
    ['How it runs', 'Cmd', 'User'],
    ['Annotations', 'org.opencontainers.image.version'],
    ['Build', 'architecture'],
    ['Manifest', 'artifactType'],
  ]);
});
