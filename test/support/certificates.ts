// Certificates made with openssl, as operators make them.
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, tools } from './command.ts';
import { temporaryFolder } from './server.ts';

export interface Certificate {
  readonly pem: string;
  /** In base64, as `x5c` has it. */
  readonly der: string;
  /** PKCS#8, PEM. */
  readonly key: string;
  readonly path: string;
  readonly keyPath: string;
}

export interface CertificateOptions {
  /** undefined: it signs itself. */
  readonly issuer?: Certificate;
  /** As in an openssl extension file. */
  readonly extensions?: readonly string[];
  /** For how long it is valid from now on. */
  readonly days?: number;
  readonly key?: 'ec' | 'rsa' | 'ed25519';
}

const KEYS = {
  ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['rsa:2048'],
  ed25519: ['ed25519'],
} as const;

export const CA = ['basicConstraints=critical,CA:true', 'keyUsage=keyCertSign'];
const NO_CA = ['basicConstraints=CA:false'];

let made = 0;

/** In a folder that cleanUp removes. @param name common name of its subject */
export async function makeCertificate(name: string, options: CertificateOptions = {}): Promise<Certificate> {
  const { issuer, extensions = NO_CA, days = 30, key = 'ec' } = options;
  const [openssl] = await tools('openssl');
  const base = join(temporaryFolder('certificate'), String(++made));
  const [keyPath, request, path, extensionFile] = [`${base}.key`, `${base}.csr`, `${base}.pem`, `${base}.ext`] as const;
  writeFileSync(extensionFile, extensions.join('\n'));
  const newKey = ['-newkey', ...KEYS[key], '-nodes', '-keyout', keyPath];
  await run([openssl, 'req', '-new', ...newKey, '-out', request, '-subj', `/CN=${name}`]);
  const by =
    issuer === undefined ? ['-key', keyPath] : ['-CA', issuer.path, '-CAkey', issuer.keyPath, '-set_serial', `${made}`];
  const out = ['-out', path, '-extfile', extensionFile, '-days', `${days}`];
  await run([openssl, 'x509', '-req', '-in', request, ...out, ...by]);
  const pem = readFileSync(path, 'utf8');
  return {
    pem,
    der: new X509Certificate(pem).raw.toString('base64'),
    key: readFileSync(keyPath, 'utf8'),
    path,
    keyPath,
  };
}
