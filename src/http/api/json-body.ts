import type { z } from 'zod';
import { RegistryError } from '../../oci/errors.ts';
import type { BodyPace } from '../client-clock.ts';
import type { RequestContext } from '../context.ts';
import { readFormBody } from '../form-body.ts';

const MAX_BYTES = 16 * 1024;
const JSON_TYPE = /^application\/json(?:\s*;.*)?$/i;

/**
 * The body of a request that changes something.
 * @throws RegistryError `request-invalid` if it is too long, no JSON, or has another form; errors of reading a body
 */
export async function readJson<Schema extends z.ZodType>(
  context: RequestContext,
  pace: BodyPace,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (!JSON_TYPE.test(context.request.headers.get('content-type') ?? ''))
    throw invalid('the Content-Type must be application/json');
  const result = schema.safeParse(parsed(await readFormBody(context, pace, MAX_BYTES)));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw invalid(`${where === '' ? 'the body' : where}: ${issue?.message ?? 'invalid'}`);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('the body is no JSON');
  }
}

function invalid(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
