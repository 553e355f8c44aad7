// A CA and certificates for tests, made by openssl.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, tools } from '../support/command.ts';
import { temporaryFolder } from '../support/server.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Distinguished name, as `openssl req -subj` takes it. */
  readonly subject?: string;
  /** Negative: it expired that many days ago. */
  readonly days?: number;
  /** Lines of an extensions file. */
  readonly extensions?: readonly string[];
}

const SERVER_NAMES = 'subjectAltName=DNS:localhost,IP:127.0.0.1';

export class Authority {
  /** Path of its certificate. */
  readonly file: string;
  readonly #openssl: string;
  readonly #folder: string;
  #made = 0;

  private constructor(openssl: string, folder: string) {
    this.#openssl = openssl;
    this.#folder = folder;
    this.file = join(folder, 'ca.pem');
  }

  static async open(name = 'test'): Promise<Authority> {
    const [openssl] = await tools('openssl');
    const authority = new Authority(openssl, temporaryFolder('ca'));
    await authority.#run('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', `/CN=${name}`);
    return authority;
  }

  get pem(): string {
    return readFileSync(this.file, 'utf8');
  }

  async issue({ subject = '/CN=localhost', days = 30, extensions = [SERVER_NAMES] }: CertificateOptions = {}) {
    const serial = ++this.#made;
    const name = `certificate-${serial}`;
    writeFileSync(join(this.#folder, `${name}.ext`), extensions.join('\n'));
    await this.#run('req', '-utf8', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    const signed = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`, '-days', String(days)];
    // A file with the next number could not be shared by certificates that are made at once.
    await this.#run('x509', '-req', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(serial), ...signed);
    const [cert, key] = ['pem', 'key'].map((type) => readFileSync(join(this.#folder, `${name}.${type}`), 'utf8'));
    if (cert === undefined || key === undefined) throw new Error('openssl has written no certificate');
    return { cert, key } satisfies Certificate;
  }

  async #run(...parameters: readonly string[]): Promise<void> {
    await run([this.#openssl, ...parameters], { cwd: this.#folder });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate and its key in files that a server reads. */
export class CertificateFiles {
  readonly cert: string;
  readonly key: string;

  constructor(certificate: Certificate) {
    const folder = temporaryFolder('certificate');
    this.cert = join(folder, 'cert.pem');
    this.key = join(folder, 'key.pem');
    this.write(certificate);
  }

  get env() {
    return { TLS_CERT_FILE: this.cert, TLS_KEY_FILE: this.key };
  }

  write({ cert, key }: Certificate): void {
    writeFileSync(this.cert, cert);
    writeFileSync(this.key, key);
  }
}
