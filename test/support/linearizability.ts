// Histories of tags, judged by Porcupine (test/linearizability/).
import { z } from 'zod';
import { run, tools } from './command.ts';

/** What a client asked of one tag, and what it was told. A request that was refused for another reason is omitted. */
export type TagOperation =
  /** The value, or none. */
  | { readonly kind: 'read'; readonly outcome: string | undefined }
  /** Whether the tag is there. */
  | { readonly kind: 'list'; readonly outcome: boolean }
  | Swap;

/** Sets the tag to `value`, or deletes it, if it is as expected. */
export interface Swap {
  readonly kind: 'swap';
  readonly expected: Expected;
  readonly value: string | undefined;
  /** `refused`: it was not as expected. `untold`: done if it was as expected, which the client does not know. `unknown`: no answer. */
  readonly outcome: 'done' | 'refused' | 'untold' | 'unknown';
}

export type Expected = 'anything' | 'present' | 'absent' | readonly string[];

/** An operation and its times, all of one clock. They are integers. */
export interface Recorded {
  /** The tag. Each has a history of its own. */
  readonly key: string;
  readonly client: number;
  readonly call: number;
  /** Without meaning if the outcome is unknown. */
  readonly return: number;
  readonly operation: TagOperation;
}

const verdict = z.object({
  operations: z.int(),
  tags: z.int(),
  illegal: z.array(z.string()),
  undecided: z.array(z.string()),
});

/** `illegal`: tags whose history no order of their operations explains. `undecided`: those for which the time was too short. */
export type Verdict = z.infer<typeof verdict>;

/** For beforeAll, with TOOLS_WITHIN_MS. */
export async function openJudge(): Promise<(history: readonly Recorded[]) => Promise<Verdict>> {
  const [judge] = await tools('linearizability');
  return async (history) => {
    const input = history.map((each) => JSON.stringify(lineOf(each))).join('\n');
    return verdict.parse(JSON.parse(await run([judge], { input })));
  };
}

function lineOf({ operation, ...recorded }: Recorded): Readonly<Record<string, unknown>> {
  switch (operation.kind) {
    case 'read':
      return { ...recorded, kind: 'read', value: operation.outcome ?? '' };
    case 'list':
      return { ...recorded, kind: 'list', value: operation.outcome ? 'present' : '' };
    case 'swap': {
      const { expected, value = '', outcome } = operation;
      const [condition, values] = typeof expected === 'string' ? [expected, []] : ['one of', expected];
      return { ...recorded, kind: 'swap', condition, values, value, outcome };
    }
  }
}
