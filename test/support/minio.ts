// A real MinIO for a test, in a temporary folder, and settings for buckets in it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { ulid } from 'ulid';
import type { S3Configuration, S3Ports } from '../../src/storage/s3/settings.ts';
import { run, tools } from './command.ts';
import { secret } from './secrets.ts';
import { freePort, removeFolder, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;

export const ACCESS_KEY = 'marina-tests';
export const SECRET_KEY = secret('marina-tests-secret');
const REGION = 'us-east-1';

export interface ObjectStore {
  readonly endpoint: string;
  /** Holds the server's files. */
  readonly folder: string;
  readonly process: Bun.Subprocess;
  /** PEM file of its certificate; undefined without https. */
  readonly certificate: string | undefined;
  makeBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

const running = new Set<ObjectStore>();

/** For afterAll: stops all servers. */
export async function stopObjectStores(): Promise<void> {
  await Promise.all([...running].map((store) => store.stop()));
}

interface MinioOptions {
  /** https with a self-signed certificate for localhost and 127.0.0.1 */
  readonly tls?: boolean;
  /** Requests signed for another region are refused. */
  readonly region?: string;
}

export async function startMinio({ tls, region = REGION }: MinioOptions = {}): Promise<ObjectStore> {
  const [binary] = await tools('minio');
  const launch = async (folder: string, port: number): Promise<Launch> => {
    const data = join(folder, 'data');
    mkdirSync(data);
    const certificates = tls === true ? ['--certs-dir', await selfSigned(folder)] : [];
    const address = ['--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${freePort()}`];
    return {
      command: [binary, 'server', data, ...address, ...certificates],
      env: {
        ...{ MINIO_ROOT_USER: ACCESS_KEY, MINIO_ROOT_PASSWORD: SECRET_KEY },
        ...{ MINIO_UPDATE: 'off', MINIO_SITE_REGION: region, HOME: folder },
      },
    };
  };
  return await startObjectStore(tls === true, launch, region);
}

export interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a server that speaks S3 and waits until it answers. */
export async function startObjectStore(
  tls: boolean,
  launch: (folder: string, port: number) => Promise<Launch>,
  region = REGION,
): Promise<ObjectStore> {
  for (let attempt = 1; ; attempt++) {
    const folder = temporaryFolder('objects');
    const port = freePort();
    const { command, env } = await launch(folder, port);
    const log = Bun.file(join(folder, 'server.log'));
    const subprocess = Bun.spawn([...command], {
      env: { PATH: process.env.PATH ?? '', ...env },
      ...{ stdin: 'ignore', stdout: log, stderr: log },
    });
    const store = describe(`${tls ? 'https' : 'http'}://localhost:${port}`, folder, subprocess, { tls, region });
    running.add(store);
    if (await isReady(store)) return store;
    const written = await log.text();
    await store.stop();
    // Between freePort and the server's own listen another process may have been given the port.
    if (attempt === 3) throw new Error(`${command[0]} did not become ready; its log:\n${written}`);
  }
}

function describe(
  endpoint: string,
  folder: string,
  subprocess: Bun.Subprocess,
  { tls, region }: Required<MinioOptions>,
): ObjectStore {
  const store: ObjectStore = {
    endpoint,
    folder,
    process: subprocess,
    certificate: tls ? join(folder, 'certificates', 'public.crt') : undefined,
    async makeBucket(name) {
      const client = plainClient(endpoint, region);
      await client.send(new CreateBucketCommand({ Bucket: name }));
      client.destroy();
    },
    async stop() {
      subprocess.kill('SIGCONT');
      subprocess.kill('SIGTERM');
      if ((await within(STOP_WITHIN_MS, subprocess.exited)) === undefined) {
        subprocess.kill('SIGKILL');
        await subprocess.exited;
      }
      running.delete(store);
      removeFolder(folder);
    },
  };
  return store;
}

/** Trusts every certificate: it only prepares tests. */
export function plainClient(endpoint: string, region = REGION): S3Client {
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    requestHandler: new NodeHttpHandler({ httpsAgent: { rejectUnauthorized: false } }),
  });
}

async function isReady(store: ObjectStore): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && store.process.exitCode === null) {
    try {
      await store.makeBucket('ready');
      return true;
    } catch {
      // It does not listen yet, or is still starting.
      await Bun.sleep(50);
    }
  }
  return false;
}

async function selfSigned(folder: string): Promise<string> {
  const certificates = join(folder, 'certificates');
  mkdirSync(certificates);
  const config = join(folder, 'openssl.cnf');
  writeFileSync(config, '[req]\ndistinguished_name=name\n[name]\n');
  const files = ['-keyout', join(certificates, 'private.key'), '-out', join(certificates, 'public.crt')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const [openssl] = await tools('openssl');
  await run([openssl, 'req', ...kind, '-config', config, ...files, ...names]);
  return certificates;
}

let buckets = 0;

/** Settings for a fresh bucket, with the smallest parts that S3 accepts. */
export async function freshBucket(store: ObjectStore): Promise<S3Configuration> {
  const bucket = `marina-${++buckets}`;
  await store.makeBucket(bucket);
  return { ...configurationOf(store.endpoint, bucket), s3CaFile: store.certificate };
}

export function configurationOf(endpoint: string, bucket: string): S3Configuration {
  return {
    s3Bucket: bucket,
    s3Region: undefined,
    s3Endpoint: endpoint,
    s3RedirectEndpoint: undefined,
    s3Prefix: 'some/prefix',
    s3ForcePathStyle: true,
    s3CaFile: undefined,
    s3InsecureSkipVerify: undefined,
    awsAccessKeyId: ACCESS_KEY,
    awsSecretAccessKey: SECRET_KEY,
    awsSessionToken: undefined,
    s3PartSize: 5 * 1024 ** 2,
    uploadBuffer: 64 * 1024 ** 2,
  };
}

/** The real clock and real randomness. @param onRequest called for each attempt at a request */
export function realPorts(onRequest: S3Ports['onRequest'] = () => undefined): S3Ports {
  return {
    now: Date.now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      }),
    random: Math.random,
    newId: () => ulid(),
    onRequest,
  };
}

/** A clock that runs 60 times as fast. */
export function hurried(): S3Ports {
  const start = Date.now();
  const ports = realPorts();
  return {
    ...ports,
    now: () => start + (Date.now() - start) * 60,
    // The timeout of an attempt stays as it is.
    sleep: (milliseconds, signal) => ports.sleep(milliseconds < 2_500 ? milliseconds / 60 : milliseconds, signal),
  };
}
