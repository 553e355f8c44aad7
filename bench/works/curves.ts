// How cost grows with something: one row for each point. These works have no bars; docs/scaling.md shows their numbers.
import type { Row } from '../work.ts';

/** One point of a curve: the varied number and the measured values, by name. */
export interface Point {
  x: number;
  y: Record<string, number>;
}

/** @param title in which # becomes the varied number @param shown name of the value in the table */
export function rowsOf(work: string, title: string, unit: string, points: Point[], shown: string): Row[] {
  return points.map(({ x, y }) => ({
    ...{ work, title: title.replace('#', x.toLocaleString('en-US')), unit },
    values: { marina: y[shown] ?? Number.NaN },
    raw: {},
    details: { x, ...y },
  }));
}
