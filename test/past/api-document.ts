// Holds answers of /api/v1 to the OpenAPI document that the server itself serves.
import { expect } from 'bun:test';
import Ajv2020 from 'ajv/dist/2020';

interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: { readonly default?: unknown };
  }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export async function documentOf(url: string): Promise<ApiDocument> {
  const response = await fetch(`${url}/api/v1/openapi.json`);
  expect(response.status).toBe(200);
  return (await response.json()) as ApiDocument;
}

/** @returns the default of each parameter that has one; each is what its schema allows, or generated clients would send something else */
export function documentedDefaults({ paths }: ApiDocument): Readonly<Record<string, unknown>> {
  const ajv = new Ajv2020({ strict: false });
  const found: Record<string, unknown> = {};
  for (const [path, methods] of Object.entries(paths)) {
    for (const { name, schema } of Object.values(methods).flatMap(({ parameters }) => parameters ?? [])) {
      if (schema.default === undefined) continue;
      expect([path, name, schema.default, ajv.validate(schema, schema.default)]).toEqual([
        ...[path, name, schema.default, true],
      ]);
      found[`${path} ${name}`] = schema.default;
    }
  }
  return found;
}

/** Requests an address and compares the answer with what the document says of this path and status. @returns the body */
export async function expectDocumented(
  url: string,
  { paths }: ApiDocument,
  [template, target]: readonly [template: string, target: string],
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const operation = paths[template]?.get;
  if (operation === undefined) throw new Error(`the document has no ${template}`);
  const response = await fetch(url + target, { headers, signal: AbortSignal.timeout(60_000) });
  const body: unknown = await response.json();
  expect([target, response.status]).toEqual([target, status]);
  const schema = operation.responses[String(status)]?.content?.['application/json']?.schema;
  if (schema === undefined) throw new Error(`the document does not describe ${status} of ${template}`);
  expect(response.headers.get('content-type')).toBe('application/json');
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const isValid = ajv.validate(schema, body);
  expect([target, isValid, ajv.errors]).toEqual([target, true, null]);
  const head = await fetch(url + target, { method: 'HEAD', headers });
  expect([head.status, await head.text()]).toEqual([status, '']);
  return body;
}
