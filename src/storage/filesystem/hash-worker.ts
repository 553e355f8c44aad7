/*
 * The hashing thread. It hashes staged files, from the page cache behind their writer, so that a big push does not delay
 * other clients. It shares the descriptors of the process.
 */
import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { HashReply, HashRequest } from './hash-protocol.ts';
import { beginWriteBack } from './write-back.ts';

declare const self: { onmessage: ((event: { data: HashRequest }) => void) | null; postMessage(reply: HashReply): void };

interface State {
  readonly algorithm: Algorithm;
  readonly hash: Hash;
  position: number;
}

/** Hash states kept between the requests of an upload. An evicted one is rebuilt by reading the file. */
const states = new LRUCache<string, State>({ max: 4096 });
const buffer = new Uint8Array(1024 * 1024);

function begin(id: string, algorithm: Algorithm): State {
  const state = { algorithm, hash: createHash(algorithm), position: 0 };
  states.set(id, state);
  return state;
}

function advance(state: State, fd: number, upTo: number): void {
  while (state.position < upTo) {
    const count = readSync(fd, buffer, 0, Math.min(buffer.length, upTo - state.position), state.position);
    if (count === 0) throw new Error(`the staged file ends at ${state.position}, ${upTo} were written`);
    state.hash.update(buffer.subarray(0, count));
    state.position += count;
  }
}

/** Whether a state covers exactly the bytes that the writer continues after. */
function isOf({ algorithm, hash, position }: State, request: Extract<HashRequest, { kind: 'open' }>): boolean {
  if (algorithm !== request.algorithm || position !== request.from) return false;
  return position === 0 || digestFromHex(algorithm, hash.copy().digest('hex')) === request.digest;
}

function stateOf(id: string): State {
  const state = states.get(id);
  if (state === undefined) throw new Error('the hashing state of this upload was dropped');
  return state;
}

function answer(request: HashRequest): HashReply {
  const { id } = request;
  switch (request.kind) {
    case 'open': {
      let state = states.get(id);
      if (state === undefined || !isOf(state, request)) state = begin(id, request.algorithm);
      advance(state, request.fd, request.from);
      return { kind: 'position', id, position: state.position };
    }
    case 'write-back': {
      beginWriteBack(request.fd);
      return { kind: 'position', id, position: stateOf(id).position };
    }
    case 'follow': {
      const state = stateOf(id);
      advance(state, request.fd, request.upTo);
      return { kind: 'position', id, position: state.position };
    }
    case 'digest': {
      let state = stateOf(id);
      // More was hashed than is asked for.
      if (state.position > request.upTo) state = begin(id, state.algorithm);
      advance(state, request.fd, request.upTo);
      return { kind: 'digest', id, hex: state.hash.copy().digest('hex') };
    }
    case 'close':
      return { kind: 'closed', id };
  }
}

self.onmessage = ({ data: request }) => {
  try {
    self.postMessage(answer(request));
  } catch (error) {
    states.delete(request.id);
    self.postMessage({ kind: 'failed', id: request.id, message: String(error) });
  }
};
