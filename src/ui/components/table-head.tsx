interface TableHeadProps {
  /** Columns of texts. */
  readonly names?: readonly string[];
  /** Columns of numbers, which follow them. */
  readonly numbers?: readonly string[];
}

/** The head of a table whose columns only have names. */
export function TableHead({ names = [], numbers = [] }: TableHeadProps) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th key={name} scope="col">
            {name}
          </th>
        ))}
        {numbers.map((name) => (
          <th key={name} scope="col" class="number">
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
