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

export interface News {
  /** The newest note. */
  readonly newest: number;
  readonly hasHints: boolean;
}

export interface NewsPorts {
  /** Asks what is new; rejects if there is no answer. */
  readonly look: () => Promise<News>;
  /** Hints wait that perhaps nobody notes. */
  readonly onHints: () => void;
  /** There is no answer. Called once until there is one again. */
  readonly failed: (error: unknown) => void;
}

/** How often a node with waiting readers asks, in milliseconds. */
const ASK_EVERY_MS = 200;
/** How often it rings without an answer. */
const RING_UNANSWERED_MS = 2_000;

/** Rings when another node has written a note, as far as Redis knows, and every 2 seconds while Redis does not answer. */
export function askOften({ look, onHints, failed }: NewsPorts): Doorbell {
  let isFailing = false;
  const lookOnce = async (): Promise<News | undefined> => {
    try {
      const news = await look();
      isFailing = false;
      return news;
    } catch (error) {
      if (!isFailing) failed(error);
      isFailing = true;
      return undefined;
    }
  };
  return {
    listen: (ring) => {
      let isStopped = false;
      let known: number | undefined;
      let rangAt = performance.now();
      const ask = async (): Promise<void> => {
        const news = await lookOnce();
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
