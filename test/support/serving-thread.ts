/* A thread that serves nothing, but answers (src/threads/worker-thread.test.ts). */
import { offer } from '../../src/threads/calls.ts';
import type { ServingThread } from '../../src/threads/thread.ts';
import type { ThreadStart } from '../../src/threads/worker-thread.ts';

declare const self: { onmessage: ((event: { data: ThreadStart }) => void) | null };

self.onmessage = ({ data: { thread, config, serving } }) => {
  const nothing = async (): Promise<void> => {};
  offer<ServingThread>(serving, {
    wire: nothing,
    listen: async (port) => port + thread.index + thread.count + config.threads,
    metrics: async () => [],
    begun: async () => 7,
    inFlight: async () => new Int32Array(thread.memory.heads).length,
    drain: async () => {
      throw Object.assign(new Error('PORT cannot be used'), { name: 'ConfigError' });
    },
    disconnect: nothing,
    close: nothing,
  });
};
