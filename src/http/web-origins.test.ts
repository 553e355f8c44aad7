import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { RegistryError } from '../oci/errors.ts';
import { WebOrigins } from './web-origins.ts';

const UI = 'https://ui.example';
const origins = new WebOrigins([UI, 'http://localhost:8080']);

function request(method: string, headers: Record<string, string>): Request {
  return new Request('http://registry.example/v2/a/manifests/b', { method, headers });
}

function isRefused(web: WebOrigins, method: string, headers: Record<string, string>): boolean {
  try {
    web.checkWrite(request(method, headers));
    return false;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'denied') return true;
    throw error;
  }
}

const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'];
const FOREIGN = [
  { Origin: 'http://evil.example' },
  { Origin: 'null' },
  { Origin: '' },
  // A page of the same site, by its name or by DNS rebinding.
  { Origin: 'http://registry.example', 'Sec-Fetch-Site': 'same-origin' },
  { 'Sec-Fetch-Site': 'same-origin' },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-site' },
  { 'Sec-Fetch-Site': 'something-new' },
  { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'none' },
  { Origin: `${UI}, http://evil.example` },
  { Origin: `${UI}.evil.example` },
  { Origin: `${UI}/` },
  { Origin: UI.toUpperCase() },
  { Origin: 'http://ui.example' },
  { Origin: `${UI}:8443` },
];

describe('a write', () => {
  test.each(FOREIGN)('by a page is refused: %j', (headers) => {
    for (const method of WRITES) expect(isRefused(origins, method, headers)).toBe(true);
  });

  test('by a page of any origin is refused if none is allowed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...WRITES), fc.webUrl(), (method, url) => {
        expect(isRefused(new WebOrigins([]), method, { Origin: new URL(url).origin })).toBe(true);
      }),
    );
  });

  test.each([{}, { 'Sec-Fetch-Site': 'none' }, { Origin: UI }, { Origin: UI, 'Sec-Fetch-Site': 'cross-site' }])(
    'by a client, a person, or a page of an allowed origin is none of its business: %j',
    (headers: Record<string, string>) => {
      for (const method of WRITES) expect(isRefused(origins, method, headers)).toBe(false);
    },
  );

  test('is any method except GET, HEAD and OPTIONS', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS'])
      expect(isRefused(origins, method, { Origin: 'http://evil.example' })).toBe(false);
  });
});

describe('a preflight', () => {
  const asking = { 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'authorization' };

  test('of an allowed origin lists the methods and headers that pages may send', () => {
    const response = origins.preflight(request('OPTIONS', { ...asking, Origin: UI }));
    expect(response?.status).toBe(204);
    expect(response?.headers.get('access-control-allow-methods')).toContain('PATCH');
    expect(response?.headers.get('access-control-allow-headers')).toContain('Authorization');
  });

  test('of another origin, and any other request, gets no preflight response', () => {
    expect(origins.preflight(request('OPTIONS', { ...asking, Origin: 'http://evil.example' }))).toBeUndefined();
    expect(origins.preflight(request('OPTIONS', asking))).toBeUndefined();
    expect(origins.preflight(request('OPTIONS', { Origin: UI }))).toBeUndefined();
    expect(origins.preflight(request('GET', { ...asking, Origin: UI }))).toBeUndefined();
  });
});

describe('a response', () => {
  test('can be read by an allowed origin, and varies by origin', () => {
    expect(origins.responseHeaders(request('GET', { Origin: UI }))).toEqual({
      Vary: 'Origin',
      'Access-Control-Allow-Origin': UI,
      'Access-Control-Expose-Headers': expect.stringContaining('Docker-Content-Digest'),
    });
    for (const headers of [{}, ...FOREIGN])
      expect(origins.responseHeaders(request('GET', headers))).toEqual({ Vary: 'Origin' });
  });

  test('has no CORS headers if no origin is allowed', () => {
    expect(new WebOrigins([]).responseHeaders(request('GET', { Origin: UI }))).toEqual({});
  });
});
