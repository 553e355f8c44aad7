/** Where the bucket is and how it is reached. */
export interface S3Settings {
  readonly bucket: string;
  /** undefined: us-east-1 if an endpoint is set (most such services expect it), else the SDK's default (AWS_REGION, shared files). */
  readonly region: string | undefined;
  /** undefined: the SDK's default, AWS's endpoint of the region. */
  readonly endpoint: string | undefined;
  /** The endpoint in presigned URLs, if clients reach the store by another one. */
  readonly redirectEndpoint: string | undefined;
  /** Prepended to every key; with or without a trailing slash. */
  readonly prefix: string | undefined;
  readonly forcePathStyle: boolean | undefined;
  /** CA certificates (PEM), trusted instead of the system's. */
  readonly ca: string | undefined;
  readonly insecureSkipVerify: boolean | undefined;
  /** undefined: the default chain (environment, shared files, the machine's role). */
  readonly credentials: S3Credentials | undefined;
  /** Bytes of each part of a multipart upload except the last one; 5 MiB to 5 GiB. */
  readonly partSize: number;
  /** Bytes of all parts that are being filled or sent by one thread. */
  readonly uploadBuffer: number;
  /** How many threads of this process use the bucket; absent: one. */
  readonly threads?: number | undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Clock, randomness and observation come from outside, so that tests control them. */
export interface S3Ports {
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves after the given time, or as soon as the signal is aborted; never rejects. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
  /** A fresh ULID. */
  readonly newId: () => string;
  /** Called for each attempt, with S3's name of the operation. `ok`: the store answered, even if it refused. */
  readonly onRequest: (operation: string, ok: boolean) => void;
}

/** The settings of config.ts for S3, under the same names. */
export interface S3Configuration {
  readonly s3Bucket: string | undefined;
  readonly s3Region: string | undefined;
  readonly s3Endpoint: string | undefined;
  readonly s3RedirectEndpoint: string | undefined;
  readonly s3Prefix: string | undefined;
  readonly s3ForcePathStyle: boolean | undefined;
  readonly s3CaFile: string | undefined;
  readonly s3InsecureSkipVerify: boolean | undefined;
  readonly awsAccessKeyId: string | undefined;
  readonly awsSecretAccessKey: string | undefined;
  readonly awsSessionToken: string | undefined;
  readonly s3PartSize: number;
  readonly uploadBuffer: number;
  /** How many threads of this process use the bucket; absent: one. */
  readonly threadCount?: number;
}
