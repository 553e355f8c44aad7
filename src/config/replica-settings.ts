import { choice, printable, secretFile, text, url } from './setting.ts';

/** Settings of a replica. */
export const REPLICA_SETTINGS = {
  replicaOf: url('REPLICA_OF', {
    sentence:
      'URL of the registry that this one is a replica of: it copies everything from there and accepts no writes; see docs/replicas.md. The store must be empty, or have been made so.',
  }),
  replicaUsername: printable('REPLICA_USERNAME', {
    sentence:
      'Account, or robot (robot+<name>), by which the replica logs in there. It needs the actions pull on all repositories, and admin.',
  }),
  replicaPassword: secretFile('REPLICA_PASSWORD_FILE', {
    sentence: 'File with its password. It is read at startup.',
  }),
  replicaCaFile: text('REPLICA_CA_FILE', {
    sentence: "File with the certificates (PEM) that are trusted for REPLICA_OF instead of the system's.",
  }),
  replicaWrites: choice('REPLICA_WRITES', ['refuse', 'redirect'], {
    fallback: 'refuse',
    sentence:
      'What a replica answers to pushes and deletes: refuse (405 with a message that names REPLICA_OF), or redirect (307 to there).',
  }),
} as const;
