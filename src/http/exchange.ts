import { type Actor, ANONYMOUS } from '../access/access.ts';
import type { Authenticated } from '../access/authenticator.ts';
import { ANONYMOUS_AUTHORITY, type Authority } from '../access/authority.ts';
import { RegistryError } from '../oci/errors.ts';
import { RequestLabels } from '../telemetry/request-labels.ts';
import { type Address, addressOf, isPage, shownTarget, targetOf, unknownLabels } from './address.ts';
import { type BunServer, IDLE_SECONDS, SLOW_READER_SECONDS } from './bun-server.ts';
import { renderChallenge, type TokenService, Unauthorized } from './challenge.ts';
import type { Connection } from './connection.ts';
import type { FileResponse, RequestContext, RequestStats } from './context.ts';
import { dispatch } from './dispatch.ts';
import { type FailedRequest, failed } from './failed.ts';
import { sendBehindTls } from './file-behind-tls.ts';
import type { Gate, Identified } from './gate.ts';
import { checkHost } from './host-header.ts';
import { nextRequestId } from './request-id.ts';
import type { RequiredAccess } from './requirement.ts';
import type { Route } from './route.ts';
import { sendHere } from './send-here.ts';
import type { ServerPorts } from './server-ports.ts';
import { limitedRequest } from './subject-limits.ts';
import { checkSameOrigin } from './ui/form-guard.ts';
import { loginCookieOf } from './ui/login-cookie.ts';
import { failurePage } from './ui/page.ts';

const UNKNOWN = Symbol('unknown');

/** One request from its arrival to its line in the log. */
export class Exchange implements RequestContext {
  readonly request: Request;
  readonly id = nextRequestId();
  readonly stats: RequestStats = { digest: undefined, received: 0, sent: 0 };
  readonly #server: BunServer;
  readonly #ports: ServerPorts;
  readonly #startedAt = performance.now();
  /** UNKNOWN until it is first needed, because asking Bun for it takes longer than parsing the request. */
  #client: string | undefined | typeof UNKNOWN = UNKNOWN;
  /** Like #client. */
  #connection: Connection | undefined | typeof UNKNOWN = UNKNOWN;
  /** Headers that are added to every response. */
  readonly #headers: Readonly<Record<string, string>>;
  #labels: RequestLabels | undefined;
  actor: Actor = ANONYMOUS;
  authority: Authority = ANONYMOUS_AUTHORITY;
  /** Number of the rule that allows this request. */
  #rule: number | undefined;
  login: string | undefined;
  loginName: string | undefined;
  #isKeptOpen = false;
  #isCounted = false;
  /** Releases the request's place in the limits of its subject. */
  #leaveSubject: (() => void) | undefined;

  constructor(request: Request, server: BunServer, ports: ServerPorts) {
    this.request = request;
    this.#server = server;
    this.#ports = ports;
    const cors = ports.webOrigins.responseHeaders(request);
    // Usually there are none, and nothing needs to be copied.
    this.#headers = ports.commonHeaders === undefined ? cors : { ...ports.commonHeaders, ...cors };
    ports.telemetry.requests.begin();
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  // These are getters because few requests need the functions, and a closure per request costs time.
  get origin(): () => string {
    return () => this.#ports.publicAddress.ofLocations(this.#peer(), this.request);
  }

  get siteAddress(): () => string | undefined {
    return () => this.#ports.publicAddress.absolute(this.#peer(), this.request);
  }

  get isSecure(): boolean {
    return this.siteAddress()?.startsWith('https:') === true;
  }

  /** Other requests than those of the page take no cookies, so no site can send them on behalf of a person who has logged in. */
  get loginToken(): string | undefined {
    return isPage(this.request.url) ? loginCookieOf(this.request.headers, this.isSecure) : undefined;
  }

  get tokenService(): () => TokenService | undefined {
    return () => this.#ports.gate?.tokenService(this.#peer(), this.request);
  }

  get keepOpen(): () => void {
    return () => {
      this.#isKeptOpen = true;
      this.#server?.timeout(this.request, 0);
    };
  }

  get sendFile(): (answer: FileResponse) => Response {
    return (answer) => {
      const instead = this.#sendBehindTls(answer);
      if (instead !== undefined) return instead;
      this.allowSlowReader();
      return sendHere(answer);
    };
  }

  get allowSlowReader(): () => void {
    return () => {
      // Bun sets its own timeout when it begins to send a file, just after the handler has returned.
      setTimeout(() => this.#server?.timeout(this.request, SLOW_READER_SECONDS), 0);
    };
  }

  /** @returns undefined if this server must send the file */
  #sendBehindTls(answer: FileResponse): Response | undefined {
    const connection = this.#behindTls();
    if (connection === undefined) return undefined;
    // The TLS front writes the response head itself, so no header can be added later.
    const complete = { ...answer, headers: { ...answer.headers, ...this.#headers } };
    const report = (message: string): void => {
      failed(new Error(message), this.#ports, this.#about());
    };
    return sendBehindTls(complete, { request: this.request, connection, failed: report });
  }

  /** Address of the client, as far as it is known. Bun knows it only while the connection is open. */
  get client(): string | undefined {
    if (this.#client === UNKNOWN) this.#client = this.#ports.proxies.client(this.#peer(), this.request.headers);
    return this.#client;
  }

  get certificate(): Authenticated | undefined {
    return this.#behindTls()?.certificate;
  }

  /** `client` for authenticators, which need it only to count wrong attempts. */
  get address(): string | undefined {
    return this.client;
  }

  #peer(): string | undefined {
    const { tls } = this.#ports;
    return tls === undefined ? this.#server?.requestIP(this.request)?.address : this.#behindTls()?.address;
  }

  /** The client behind TLS; undefined without TLS, or if the connection is not one of the TLS front. */
  #behindTls(): Connection | undefined {
    if (this.#connection === UNKNOWN) {
      const { tls } = this.#ports;
      const peer = tls === undefined ? null : this.#server?.requestIP(this.request);
      this.#connection = peer ? tls?.of(peer) : undefined;
    }
    return this.#connection;
  }

  answer(): Response | Promise<Response> {
    const { request } = this;
    const reason = this.#ports.notReady();
    if (reason !== undefined) throw new RegistryError('draining', `${reason}: try again`);
    const { url } = request;
    checkHost(request, url);
    this.#checkConnection();
    this.#ports.admission.check(this.#server?.pendingRequests ?? 1, this);
    const preflight = this.#ports.webOrigins.preflight(request);
    if (preflight !== undefined) {
      this.#labels = new RequestLabels(request.method, shownTarget(url), 'preflight', undefined, undefined);
      return preflight;
    }
    const address = addressOf(request.method, url);
    return address instanceof Promise ? this.#answerLater(address) : this.#answerAt(address);
  }

  async #answerLater(address: Promise<Address>): Promise<Response> {
    return await this.#answerAt(await address);
  }

  #answerAt(address: Address): Response | Promise<Response> {
    const { request } = this;
    this.#labels = address.labels;
    this.stats.digest = address.digest;
    if (address.route.kind !== 'page') this.#ports.webOrigins.checkWrite(request);
    else if (request.method === 'POST') checkSameOrigin({ headers: request.headers, address: this.siteAddress() });
    const { gate } = this.#ports;
    if (gate === undefined) return this.#dispatch(address.route);
    const found = gate.identify(this, address.required);
    return found instanceof Promise ? this.#serveLater(address, found, gate) : this.#serve(address, found, gate);
  }

  async #serveLater(address: Address, found: Promise<Identified>, gate: Gate): Promise<Response> {
    return await this.#serve(address, await found, gate);
  }

  #serve({ route, required }: Address, found: Identified, gate: Gate): Response | Promise<Response> {
    this.#admit(found, required, gate);
    return this.#dispatch(route);
  }

  #dispatch(route: Route): Response | Promise<Response> {
    this.#leaveSubject = this.#ports.subjects?.enter(limitedRequest(route, this));
    return dispatch(route, this, this.#ports);
  }

  /** With TLS this server listens on the loopback interface, where every process of the machine can connect to it. */
  #checkConnection(): void {
    if (this.#ports.tls === undefined || this.#behindTls() !== undefined) return;
    throw new RegistryError('request-invalid', 'this port is for the registry itself: use its https port');
  }

  /** @param name of the resource in the log and the metrics */
  async guard(gate: Gate, name: string, required: RequiredAccess): Promise<void> {
    this.#labels = new RequestLabels(this.request.method, shownTarget(this.request.url), name, undefined, undefined);
    this.#checkConnection();
    this.#admit(await gate.identify(this, required), required, gate);
  }

  /** @throws if the request is refused */
  #admit({ actor, authority, login, loginName }: Identified, required: RequiredAccess | undefined, gate: Gate): void {
    this.actor = actor;
    this.authority = authority;
    this.login = login;
    this.loginName = loginName;
    this.#rule = gate.admit(required, this, this);
  }

  /** Counts this request toward its client's limit until the response is ready. */
  wait(): void {
    this.#isCounted = true;
    this.#ports.admission.enter(this.client);
  }

  /** The answer to a request that failed: for people a page, for clients of the API as the spec has it. */
  failedAnswer(error: unknown): Response | Promise<Response> {
    const plain = this.failed(error);
    const { ui } = this.#ports;
    // Browsers send no Authorization of their own, and other clients read the plain answer.
    if (ui === undefined || !isPage(this.request.url) || this.request.headers.has('authorization')) return plain;
    return failurePage(error, plain, this, ui).catch((defect: unknown) => this.failed(defect));
  }

  failed(error: unknown): Response {
    const shown = this.#isDisconnect(error)
      ? new RegistryError('client-gone', 'the client disconnected before the response')
      : error;
    const response = failed(shown, this.#ports, { ...this.#about(), challenge: this.#challenge(error) });
    this.stats.sent = Number(response.headers.get('content-length'));
    return response;
  }

  /** Whether the request was aborted because its client disconnected, which is not a failure of the registry. */
  #isDisconnect(error: unknown): boolean {
    return this.request.signal.aborted && error === this.request.signal.reason;
  }

  #challenge(error: unknown): string | undefined {
    const service = error instanceof Unauthorized ? this.tokenService() : undefined;
    return error instanceof Unauthorized && service !== undefined
      ? renderChallenge(error.challenge, service)
      : undefined;
  }

  #about(): FailedRequest {
    const { method, url } = this.request;
    return { requestId: this.id, method, target: targetOf(url) };
  }

  finish(response: Response): Response {
    const { id, request, stats } = this;
    if (this.#isCounted) this.#ports.admission.leave(this.client);
    this.#leaveSubject?.();
    // The timeout belongs to the connection. Without it, an idle connection or an unfinished body would stay open for ever.
    if (this.#isKeptOpen) this.#server?.timeout(request, IDLE_SECONDS);
    const labels = this.#labels ?? unknownLabels(request.method, request.url);
    const { status } = response;
    for (const name in this.#headers) response.headers.set(name, this.#headers[name] ?? '');
    const sent = labels.method === 'HEAD' ? 0 : stats.sent;
    const milliseconds = performance.now() - this.#startedAt;
    this.#ports.telemetry.requests.end(labels.route, status, milliseconds / 1000, stats.received, sent);
    this.#ports.access?.({
      requestId: id,
      client: this.client,
      actor: this.actor.label,
      rule: this.#rule,
      labels,
      digest: stats.digest,
      status,
      bytesIn: stats.received,
      bytesOut: sent,
      milliseconds,
    });
    return response;
  }
}
