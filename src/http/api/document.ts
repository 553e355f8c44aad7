import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import type { AnyEndpoint } from './endpoint.ts';
import { ENDPOINTS } from './endpoints.ts';

/** The form of every error, which is that of /v2. */
const errors = z.strictObject({
  errors: z.array(
    z.strictObject({
      code: z.string().describe('For programs.'),
      message: z.string().describe('For people: what is wrong, and what to do.'),
      detail: z.looseObject({}).optional(),
    }),
  ),
});

/** The content of a response that is no JSON. */
const BYTES = { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } };

/** Every endpoint has these, also behind its own. */
const COMMON_ERRORS: Readonly<Record<number, string>> = {
  400: 'A malformed parameter, or one that does not exist.',
  401: 'Credentials are missing, wrong or insufficient; WWW-Authenticate has the challenge.',
  403: 'The caller may not do this.',
  404: 'It does not exist, or the caller may not see it.',
  405: 'A method that the address does not have.',
  429: 'Too many requests; Retry-After says when to try again.',
  500: 'A broken log or a defect.',
  503: 'Not available now; Retry-After says when to try again.',
};

/**
 * The OpenAPI document of /api/v1, generated from the schemas that also parse its requests.
 * @param version of Marina
 * @returns JSON
 */
export function openApiDocument(version: string): string {
  const registry = new OpenAPIRegistry();
  for (const each of ENDPOINTS) registry.registerPath(pathOf(each));
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Marina',
      version,
      description:
        'What a registry with a log knows beyond the OCI distribution specification. Credentials are those of /v2. Errors have the form of those of /v2.',
    },
  });
  return JSON.stringify(document);
}

function pathOf({ kind, method, path, summary, description, params, query, body, answer, stream }: AnyEndpoint) {
  const content = (schema: z.ZodType) => ({ 'application/json': { schema } });
  const failures = Object.entries(COMMON_ERRORS).map(([status, about]) => [
    status,
    { description: about, content: content(errors) },
  ]);
  const events = stream === undefined ? {} : { 'text/event-stream': { schema: z.string().describe(stream) } };
  return {
    method,
    path,
    operationId: kind,
    summary,
    description,
    request: { params, query, ...(body === undefined ? {} : { body: { required: true, content: content(body) } }) },
    responses: {
      200: { description: summary, content: answer === 'bytes' ? BYTES : { ...content(answer), ...events } },
      ...Object.fromEntries(failures),
    },
  };
}
