import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { FetchHttpHandler } from '@smithy/fetch-http-handler';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type Fetch, LeanClient, type Sender } from './lean-client.ts';
import type { S3Settings } from './settings.ts';
import { StreamClient } from './stream-client.ts';

/** One client for each purpose, so that none waits for another's connections. */
export interface S3Clients {
  /** The log and everything small. */
  readonly small: Sender;
  /** Parts and their completion. */
  readonly parts: S3Client;
  /** Bodies that clients read at their own pace. */
  readonly streams: Sender;
  /** Presigns URLs with the endpoint by which clients reach the store; sends nothing. */
  readonly presigning: S3Client;
  destroy(): void;
}

function tlsOf({ ca, insecureSkipVerify }: S3Settings): Bun.TLSOptions | undefined {
  if (ca === undefined && insecureSkipVerify !== true) return undefined;
  return { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: insecureSkipVerify !== true };
}

function fetchOf(settings: S3Settings): Fetch {
  const tls = tlsOf(settings);
  return tls === undefined ? fetch : (url, init) => fetch(url, { ...init, tls });
}

/** Half the CPU of Node's client. Small requests and parts need few connections. */
function fetchHandler(settings: S3Settings): FetchHttpHandler {
  const tls = tlsOf(settings);
  if (tls === undefined) return new FetchHttpHandler({ keepAlive: true });
  const customFetch = (request: string | URL | Request): Promise<Response> => fetch(request, { tls });
  return new FetchHttpHandler({
    keepAlive: true,
    customFetch: Object.assign(customFetch, { preconnect: fetch.preconnect }),
  });
}

/**
 * Bun's fetch has 256 connections in the whole process: that many stalled readers would hang every write. Sockets of Node's
 * agents are not counted among them.
 */
function streamHandler({ ca, insecureSkipVerify }: S3Settings): NodeHttpHandler {
  const tls = { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: insecureSkipVerify !== true };
  return new NodeHttpHandler({
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, ...tls }),
  });
}

/** Bun's fetch goes through such a proxy, which may be the only way to the store. */
function isProxied(): boolean {
  return [process.env.http_proxy, process.env.HTTP_PROXY].some((proxy) => proxy !== undefined && proxy !== '');
}

/** The caller reports failures: the SDK would write its own lines to stderr. */
const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

/** Hashing a body for its signature costs more than sending it; the store verifies the CRC that is sent with it. */
function leaveUnsigned(client: S3Client): S3Client {
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === 'object' && request !== null && 'headers' in request) {
        Object.assign(request.headers ?? {}, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
      }
      return next(args);
    },
    { step: 'build', name: 'leaveUnsigned' },
  );
  return client;
}

export function openClients(settings: S3Settings): S3Clients {
  const { endpoint, redirectEndpoint, credentials } = settings;
  const region = settings.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const shared: S3ClientConfig = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: settings.forcePathStyle === true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // requests.ts retries, within a deadline.
    maxAttempts: 1,
    logger: SILENT,
  };
  const open = (requestHandler: FetchHttpHandler | NodeHttpHandler): S3Client =>
    leaveUnsigned(new S3Client({ ...shared, requestHandler }));
  const small = new LeanClient(open(fetchHandler(settings)), settings.bucket, fetchOf(settings));
  const parts = open(fetchHandler(settings));
  const streams = new StreamClient(
    {
      lean: small,
      direct: !isProxied(),
      byFetch: open(fetchHandler(settings)),
      byNode: open(streamHandler(settings)),
    },
    settings.threads ?? 1,
  );
  const presigning = new S3Client({
    ...shared,
    ...(redirectEndpoint === undefined ? {} : { endpoint: redirectEndpoint }),
    requestHandler: fetchHandler(settings),
  });
  return {
    small,
    parts,
    streams,
    presigning,
    destroy: () => {
      for (const client of [small, parts, streams, presigning]) client.destroy();
    },
  };
}
