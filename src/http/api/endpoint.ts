import { z } from 'zod';
import { RegistryError } from '../../oci/errors.ts';

/** What is the same for every endpoint of /api/v1, for routing and for the OpenAPI document. */
export interface AnyEndpoint {
  readonly kind: string;
  /** `get` also answers HEAD. */
  readonly method: 'get' | 'post';
  /** OpenAPI's template. `{repo}` may hold slashes, the other parameters may not. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  /** The body of a request that changes something, in JSON. */
  readonly body?: z.ZodType;
  /** The body of a response with 200: JSON, or bytes of any kind. */
  readonly answer: z.ZodType | 'bytes';
  /** What the endpoint streams as server-sent events, if the client asks for that. */
  readonly stream?: string;
  /** The statuses of errors, besides those that every endpoint has. */
  readonly errors: readonly number[];
}

export interface Endpoint<Kind extends string, Params extends z.ZodObject, Query extends z.ZodObject>
  extends AnyEndpoint {
  readonly kind: Kind;
  readonly params: Params;
  readonly query: Query;
  /** Whether a path has the form of this endpoint's. */
  matches(path: string): boolean;
  /**
   * The route of a request for this endpoint.
   * @returns undefined if the path is another endpoint's
   * @throws RegistryError of the kind that the parameter's schema names, `request-invalid` by default
   */
  route(path: string, query: URLSearchParams): RouteOf<Kind, Params, Query> | undefined;
}

type RouteOf<Kind extends string, Params extends z.ZodObject, Query extends z.ZodObject> = {
  readonly kind: Kind;
} & ParametersOf<Params> &
  ParametersOf<Query>;

/** The type of an object without fields would forbid all others. */
type ParametersOf<Schema extends z.ZodObject> = keyof Schema['shape'] extends never
  ? unknown
  : Readonly<z.output<Schema>>;

type About<Kind extends string, Params extends z.ZodObject, Query extends z.ZodObject> = Omit<
  Endpoint<Kind, Params, Query>,
  'route' | 'matches' | 'method' | 'body'
>;

/** Defines an endpoint, which answers GET and HEAD. */
export function endpoint<const Kind extends string, Params extends z.ZodObject, Query extends z.ZodObject>(
  about: About<Kind, Params, Query>,
): Endpoint<Kind, Params, Query> {
  return routed({ ...about, method: 'get' });
}

const NOTHING = z.strictObject({});

/** Defines an endpoint that changes something: POST with a body in JSON, and no parameters. */
export function command<const Kind extends string, Body extends z.ZodType, Answer extends z.ZodType>(
  about: Omit<About<Kind, typeof NOTHING, typeof NOTHING>, 'params' | 'query' | 'answer'> & {
    readonly body: Body;
    readonly answer: Answer;
  },
): Endpoint<Kind, typeof NOTHING, typeof NOTHING> & { readonly body: Body; readonly answer: Answer } {
  const { body, answer } = about;
  return { ...routed({ ...about, method: 'post', params: NOTHING, query: NOTHING }), body, answer };
}

function routed<const Kind extends string, Params extends z.ZodObject, Query extends z.ZodObject>(
  about: Omit<Endpoint<Kind, Params, Query>, 'route' | 'matches'>,
): Endpoint<Kind, Params, Query> {
  const { kind, params, query } = about;
  const pattern = patternOf(about.path);
  return {
    ...about,
    matches: (path) => pattern.test(path),
    route: (path, parameters) => {
      const found = pattern.exec(path);
      if (found === null) return undefined;
      const inPath = parsed(params, { ...found.groups });
      const inQuery = parsed(query, fieldsOf(parameters));
      return { kind, ...inPath, ...inQuery };
    },
  };
}

/**
 * A slash after a repository's name ends it: `repositories/a/diff/` is the repository `a/diff`, `repositories/a/manifests//tags` are the
 * tags of `a/manifests`, and `repositories/a/manifests/tags` is the manifest `tags` of `a`.
 */
function patternOf(template: string): RegExp {
  const source = template
    .split(/\{(\w+)\}/)
    .map((part, index) => {
      if (index % 2 === 0) return RegExp.escape(part);
      return part === 'repo' ? '(?<repo>.+?)/?' : `(?<${part}>[^/]+)`;
    })
    .join('');
  return new RegExp(`^${source}$`);
}

/** @throws RegistryError `request-invalid` for a parameter that is given twice */
function fieldsOf(query: URLSearchParams): Record<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of query) {
    if (fields.has(name)) throw new RegistryError('request-invalid', `${shown(name)} is given twice`);
    fields.set(name, value);
  }
  return Object.fromEntries(fields);
}

function parsed<Schema extends z.ZodObject>(schema: Schema, fields: Record<string, string>): z.output<Schema> {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const known = Object.keys(schema.shape);
    const usable = known.length === 0 ? 'this address has no parameters' : `it can be ${known.join(', ')}`;
    throw new RegistryError('request-invalid', `there is no parameter ${shown(issue.keys[0] ?? '')}: ${usable}`);
  }
  const name = String(issue?.path[0] ?? 'the request');
  if (!Object.hasOwn(fields, name)) throw new RegistryError('request-invalid', `${name} is missing`);
  throw new RegistryError(PARAMETER_ERRORS[name] ?? 'request-invalid', `${name}: ${issue?.message ?? 'invalid'}`);
}

/** The parameters whose errors have a kind of their own. */
const PARAMETER_ERRORS: Readonly<Record<string, 'name-invalid' | 'tag-invalid'>> = {
  repo: 'name-invalid',
  tag: 'tag-invalid',
};

const MAX_SHOWN = 40;

function shown(name: string): string {
  return JSON.stringify(name.slice(0, MAX_SHOWN));
}
