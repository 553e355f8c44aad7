/** What the log line of a request says of its response, apart from the time. */
export interface Outcome {
  readonly digest: string | undefined;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** The part of a request's log line that is the same for every request with its method and address. */
export class RequestLabels {
  readonly method: string;
  readonly path: string;
  readonly route: string;
  readonly repository: string | undefined;
  readonly reference: string | undefined;
  #lastOutcome: Outcome | undefined;
  #lastJson = '';

  constructor(
    method: string,
    path: string,
    route: string,
    repository: string | undefined,
    reference: string | undefined,
  ) {
    this.method = method;
    this.path = path;
    this.route = route;
    this.repository = repository;
    this.reference = reference;
  }

  /**
   * These fields and those of the outcome as JSON, without braces. The last result is cached: labels are cached with their address, which
   * mostly has the same outcome.
   */
  jsonWith({ digest, status, bytesIn, bytesOut }: Outcome): string {
    const last = this.#lastOutcome;
    if (last?.digest !== digest || last?.status !== status || last.bytesIn !== bytesIn || last.bytesOut !== bytesOut) {
      const { method, path, route, repository, reference } = this;
      const outcome = { digest, status, bytesIn, bytesOut };
      this.#lastOutcome = outcome;
      // Stringified as a whole: the line is then made of few pieces.
      this.#lastJson = withoutBraces({ method, path, route, repository, reference, ...outcome });
    }
    return this.#lastJson;
  }
}

/** JSON of an object without its braces, to be part of another one. Undefined fields are left out. */
export function withoutBraces(fields: Readonly<Record<string, string | number | undefined>>): string {
  return JSON.stringify(fields).slice(1, -1);
}
