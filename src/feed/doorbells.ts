import type { NotesHead } from './notes/head.ts';
import type { Doorbell } from './waiters.ts';

/** Rings when this process has written a note, or one of its threads. */
export function bellOf(head: NotesHead): Doorbell {
  return { listen: (ring) => head.listen(ring) };
}

/** Rings again and again. @param milliseconds between two rings */
export function clock(milliseconds: number): Doorbell {
  return {
    listen: (ring) => {
      const timer = setInterval(ring, milliseconds);
      return () => clearInterval(timer);
    },
  };
}

/** Rings when one of these does. */
export function anyOf(...bells: readonly Doorbell[]): Doorbell {
  return {
    listen: (ring) => {
      const stops = bells.map((bell) => bell.listen(ring));
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

export interface NewsPorts {
  /** Asks what is new; rejects if there is no answer. */
  readonly look: () => Promise<{ readonly newest: number; readonly hasHints: boolean }>;
  /** Hints wait that perhaps nobody notes. */
  readonly onHints: () => void;
}

/** How often a node with waiting readers asks, in milliseconds. */
const ASK_EVERY_MS = 200;
/** How often it rings without an answer. */
const RING_UNANSWERED_MS = 2_000;

/** Rings when another node has written a note, as far as Redis knows, and from time to time while Redis does not answer. */
export function askOften({ look, onHints }: NewsPorts): Doorbell {
  return {
    listen: (ring) => {
      let isStopped = false;
      let known: number | undefined;
      let rangAt = performance.now();
      const ask = async (): Promise<void> => {
        // An outage of Redis is reported by its connection. Notes can be read without it.
        const news = await look().catch(() => undefined);
        if (isStopped) return;
        if (news?.hasHints === true) onHints();
        const isNew = news !== undefined && news.newest !== known;
        const isDue = news === undefined && performance.now() - rangAt >= RING_UNANSWERED_MS;
        if (news !== undefined) known = news.newest;
        if (!isNew && !isDue) return;
        rangAt = performance.now();
        ring();
      };
      const listen = async (): Promise<void> => {
        while (!isStopped) {
          await ask();
          await Bun.sleep(ASK_EVERY_MS);
        }
      };
      void listen();
      return () => {
        isStopped = true;
      };
    },
  };
}
