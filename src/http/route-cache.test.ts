import { expect, test } from 'bun:test';
import { parseRoute } from './route.ts';
import { routeOf } from './route-cache.ts';

test('a remembered route is the parsed one, for each method by itself', () => {
  const target = '/v2/library/app/manifests/latest';
  for (const method of ['GET', 'HEAD', 'GET', 'HEAD', 'DELETE']) {
    expect(routeOf(method, target)).toEqual(parseRoute(method, target));
  }
});

test('more addresses than are remembered, and very long ones, are answered all the same', () => {
  for (let index = 0; index < 20_000; index++) {
    expect(routeOf('GET', `/v2/app/manifests/t${index}`)).toMatchObject({ reference: { tag: `t${index}` } });
  }
  expect(routeOf('GET', '/v2/app/manifests/t0')).toMatchObject({ reference: { tag: 't0' } });
  const query = 'x'.repeat(2_000);
  expect(routeOf('GET', `/v2/app/tags/list?last=${query}`)).toMatchObject({ last: query });
});

test('what is refused is refused each time', () => {
  for (let time = 0; time < 2; time++) expect(() => routeOf('GET', '/v2/APP/manifests/t')).toThrow('repository name');
});
