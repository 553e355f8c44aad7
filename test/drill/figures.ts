/** Violations of guarantees. */
export const VIOLATIONS = ['lost', 'stale', 'torn', 'wrong', 'hung', 'defects', 'pulls failed'] as const;
export type Violation = (typeof VIOLATIONS)[number];

/** The counts of one drill. */
export class Figures {
  readonly drill: string;
  operations = 0;
  acknowledged = 0;
  refused = 0;
  /** Responses with 502 or 503, or none: the request may have taken effect or not. */
  unknown = 0;
  faults = 0;
  pulls = 0;
  /** Milliseconds. */
  slowest = 0;
  slowestWas = '';
  /** Milliseconds from the end of the faults until every node accepted writes again. */
  recovered = 0;
  readonly violations = new Map<Violation, string[]>();

  constructor(drill: string) {
    this.drill = drill;
  }

  ended(what: string, milliseconds: number, status: number | undefined): void {
    this.operations++;
    if (status === undefined || status >= 500) this.unknown++;
    else if (status >= 400) this.refused++;
    else this.acknowledged++;
    if (milliseconds <= this.slowest) return;
    this.slowest = milliseconds;
    this.slowestWas = `${what}: ${status ?? 'no answer'}`;
  }

  violate(violation: Violation, what: string): void {
    const seen = this.violations.get(violation) ?? [];
    seen.push(what);
    this.violations.set(violation, seen);
  }

  count(violation: Violation): number {
    return this.violations.get(violation)?.length ?? 0;
  }
}

/** A table with aligned columns. */
export function table(all: readonly Figures[]): string {
  const head = [
    'drill',
    'operations',
    'acknowledged',
    'refused',
    'unknown',
    'pulls',
    'faults',
    ...VIOLATIONS,
    'recovered',
    'slowest',
  ];
  const rows = all.map((each) => [
    each.drill,
    ...[each.operations, each.acknowledged, each.refused, each.unknown, each.pulls, each.faults].map(String),
    ...VIOLATIONS.map((violation) => String(each.count(violation))),
    `${Math.round(each.recovered)} ms`,
    `${Math.round(each.slowest)} ms (${each.slowestWas})`,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

/** The violations, up to a few of each kind. */
export function shown(all: readonly Figures[], max = 5): string[] {
  return all.flatMap(({ drill, violations }) =>
    [...violations].flatMap(([violation, seen]) => seen.slice(0, max).map((what) => `${drill}: ${violation}: ${what}`)),
  );
}
