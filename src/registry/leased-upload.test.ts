import { expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { A, ACTOR, bodyOf, text } from '../../test/support/registry.ts';
import { type Incarnation, parseUploadId } from '../oci/names.ts';
import type { StagedWrite } from '../storage/driver.ts';
import { LeasedUpload } from './leased-upload.ts';
import type { SessionLease } from './sessions.ts';

const id = parseUploadId(crypto.randomUUID());
if (id === undefined) throw new Error('the library made an id that is none');
const session = { id, repo: A, actor: ACTOR.id, createdAt: 0, algorithm: 'sha256', offset: 0 } as const;
const lease: SessionLease = {
  session,
  takenOver: false,
  save: async () => {},
  end: async () => {},
  release: async () => {},
};

test('a write whose client has left gives back what it holds, also if the store does not answer any more', async () => {
  const client = new AbortController();
  const ended: string[] = [];
  const write: StagedWrite = {
    write: async () => {
      client.abort();
      throw client.signal.reason;
    },
    settle: () => Promise.reject(new Error('the store did not answer')),
    release: async () => void ended.push('released'),
    drop: async () => void ended.push('dropped'),
  };
  const driver = { stage: async () => write, takeOver: () => Promise.reject(new Error('nothing is taken over')) };
  const ports = { driver, newIncarnation: () => ulid() as Incarnation };
  const upload = new LeasedUpload(lease, ports, client.signal);
  await expect(upload.receive(bodyOf([text('hello')]))).rejects.toThrow('the store did not answer');
  expect(ended).toEqual(['dropped']);
});
