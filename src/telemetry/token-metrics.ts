import { Counter, type Registry as Metrics } from 'prom-client';

/** The proof for which a token was issued. */
type Grant = 'none' | 'credentials' | 'password' | 'refresh_token';

/** Tokens of the token endpoint. A process that issues none has no such metrics. */
export class TokenMetrics {
  readonly #metrics: Metrics;
  #requests: Counter<'grant' | 'result'> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  issued(grant: Grant): void {
    this.#counter().inc({ grant, result: 'issued' });
  }

  refused(grant: Grant): void {
    this.#counter().inc({ grant, result: 'refused' });
  }

  #counter(): Counter<'grant' | 'result'> {
    this.#requests ??= new Counter({
      name: 'marina_tokens_total',
      help: 'Requests for tokens, issued or refused, by kind of proof: none, credentials (a header or a certificate), password or refresh_token (a form).',
      labelNames: ['grant', 'result'],
      registers: [this.#metrics],
    });
    return this.#requests;
  }
}
