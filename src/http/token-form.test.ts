import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseTokenForm, type TokenForm } from './token-form.ts';

const TYPE = 'application/x-www-form-urlencoded';
const parse = (body: string, type = TYPE): TokenForm => parseTokenForm(type, new TextEncoder().encode(body));

test('a form with a password, as containerd sends it', () => {
  const body =
    'access_type=offline&client_id=containerd-client&grant_type=password&password=a%2Bb+c%26%C3%A9&scope=repository%3Aa%3Apull+repository%3Ab%3Apull&service=registry.example&username=deployer';
  expect(parse(body)).toEqual({
    kind: 'password',
    user: 'deployer',
    password: 'a+b c&é',
    service: 'registry.example',
    scopes: ['repository:a:pull repository:b:pull'],
    offline: true,
    clientId: 'containerd-client',
  });
});

test('a form with a refresh token', () => {
  expect(parse('grant_type=refresh_token&refresh_token=a.b.c', `${TYPE}; charset=utf-8`)).toEqual({
    kind: 'refresh-token',
    refreshToken: 'a.b.c',
    service: undefined,
    scopes: [''],
    offline: false,
    clientId: undefined,
  });
});

test('other forms are refused with the code of RFC 6749', () => {
  const cases: Readonly<Record<string, string>> = {
    '': 'invalid_request',
    'grant_type=': 'invalid_request',
    'grant_type=password': 'invalid_request',
    'grant_type=password&username=a&password=': 'invalid_request',
    'grant_type=refresh_token': 'invalid_request',
    'grant_type=password&username=a&password=b&username=c': 'invalid_request',
    'grant_type=password&grant_type=password&username=a&password=b': 'invalid_request',
    'grant_type=client_credentials': 'unsupported_grant_type',
    'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange': 'unsupported_grant_type',
  };
  for (const [body, error] of Object.entries(cases)) expect(parse(body)).toMatchObject({ kind: 'refused', error });
  const good = 'grant_type=password&username=a&password=b';
  for (const type of ['', 'application/json', 'multipart/form-data; boundary=x', `x${TYPE}`, `${TYPE}x`]) {
    expect(parse(good, type)).toMatchObject({ kind: 'refused', error: 'invalid_request' });
  }
  const notUtf8 = new Uint8Array([...new TextEncoder().encode(good), 0xff]);
  expect(parseTokenForm(TYPE, notUtf8)).toMatchObject({ kind: 'refused', error: 'invalid_request' });
});

test('no body makes the parser throw, and no refusal repeats a part of it', () => {
  const words = fc.constantFrom(
    'grant_type',
    'password',
    'refresh_token',
    'username',
    '=',
    '&',
    '%',
    '%00',
    '+',
    'hunter2',
  );
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(words, { maxLength: 20 }).map((each) => new TextEncoder().encode(each.join(''))),
  );
  fc.assert(
    fc.property(fc.oneof(fc.constant(TYPE), fc.string()), bodies, (type, body) => {
      const form = parseTokenForm(type, body);
      if (form.kind === 'refused') expect(JSON.stringify(form)).not.toContain('hunter2');
    }),
  );
});
