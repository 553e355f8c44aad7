// Tries all orders of steps of a small model.

export interface Step<State> {
  readonly what: string;
  readonly to: State;
}

export interface Explored {
  readonly states: number;
  /** The steps of a shortest violation, and what it violates. */
  readonly violation: readonly string[] | undefined;
}

/**
 * Breadth first, so that a violation that is found is a shortest one.
 * @param stepsFrom all steps that are possible in a state
 * @param violationOf what a state violates; undefined: nothing
 */
export function explore<State>(
  first: State,
  stepsFrom: (state: State) => Iterable<Step<State>>,
  violationOf: (state: State, isEnd: boolean) => string | undefined,
): Explored {
  const known = new Set([JSON.stringify(first)]);
  let frontier: { readonly state: State; readonly path: readonly string[] }[] = [{ state: first, path: [] }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { state, path } of frontier) {
      const steps = [...stepsFrom(state)];
      const violation = violationOf(state, steps.length === 0);
      if (violation !== undefined) return { states: known.size, violation: [...path, violation] };
      for (const { what, to } of steps) {
        const key = JSON.stringify(to);
        if (known.has(key)) continue;
        known.add(key);
        next.push({ state: to, path: [...path, what] });
      }
    }
    frontier = next;
  }
  return { states: known.size, violation: undefined };
}
