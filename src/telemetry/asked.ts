/** What a request asked for: the part of its log line that is the same for every request like it. */
export class Asked {
  readonly method: string;
  readonly path: string;
  readonly route: string;
  readonly repository: string | undefined;
  readonly reference: string | undefined;
  #json: string | undefined;

  /** Repository and reference were parsed: they have no character that JSON would escape. */
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

  /** Its fields as they stand in a JSON line, without braces. Made once: the same few things are asked for again and again. */
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
