/** Where the bucket is and how it is reached. */
export interface S3Settings {
  readonly bucket: string;
  /** undefined: us-east-1 where an endpoint is set, which most such services expect, else what the environment says. */
  readonly region: string | undefined;
  /** undefined: AWS itself. */
  readonly endpoint: string | undefined;
  /** Where clients reach the store that presigned addresses lead to; undefined: under the endpoint's own name. */
  readonly redirectEndpoint: string | undefined;
  /** Before every key; with or without a slash at its end. */
  readonly prefix: string | undefined;
  readonly forcePathStyle: boolean | undefined;
  /** Certificates (PEM) that are trusted instead of the system's. */
  readonly ca: string | undefined;
  readonly insecureSkipVerify: boolean | undefined;
  /** undefined: the default chain (environment, shared files, the machine's role). */
  readonly credentials: S3Credentials | undefined;
  /** Bytes of each part of a multipart upload but the last; S3 takes 5 MiB to 5 GiB. */
  readonly partSize: number;
  /** Bytes of all parts that are being filled or sent. */
  readonly uploadBuffer: number;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** What the driver takes from outside, so that tests decide it. */
export interface S3Ports {
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves after that many milliseconds, or as soon as the signal is aborted; never rejects. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** A fresh ULID. */
  readonly newId: () => string;
  /** Each attempt at a request, by S3's name of the operation; ok: the store answered, be it with "no". */
  readonly onRequest: (operation: string, ok: boolean) => void;
}

/** The settings of config.ts that are about S3, by the names they have there. */
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
}
