/** The part of a request's log line that is the same for every request with its method and address. */
export class RequestLabels {
  readonly method: string;
  readonly path: string;
  readonly route: string;
  readonly repository: string | undefined;
  readonly reference: string | undefined;
  #json: string | undefined;

  /** Repository and reference are parsed, so JSON escapes none of their characters. The path may be any text. */
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

  /** The fields as JSON, without braces. Rendered once, as labels are cached with their address. */
  get json(): string {
    this.#json ??= this.#render();
    return this.#json;
  }

  #render(): string {
    let fields = `"method":"${this.method}","path":${JSON.stringify(this.path)},"route":"${this.route}"`;
    if (this.repository !== undefined) fields += `,"repository":"${this.repository}"`;
    if (this.reference !== undefined) fields += `,"reference":"${this.reference}"`;
    return fields;
  }
}
