import type { Database } from 'bun:sqlite';

/** Names parameters without their $. */
type Parameters = Record<string, string | number | null>;

/** Prepares statements with the types of their rows and parameters. */
export function statementsOf(database: Database) {
  return <Row, P extends Parameters>(sql: string) => database.query<Row, P>(sql);
}

/** A row that was inserted or found. */
export interface Identified {
  readonly id: number;
}
