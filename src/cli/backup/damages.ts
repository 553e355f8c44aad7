import type { Damage } from '../../backup/errors.ts';
import type { Output } from '../output.ts';

/** The most names of damaged content that are printed. */
const MAX_LISTED = 50;

interface Damages {
  readonly damages: readonly Damage[];
  readonly count: number;
  readonly message: string;
}

/** Names what is missing or damaged. */
export async function showDamages(
  { damages, count: total, message }: Damages,
  json: boolean,
  output: Output,
): Promise<void> {
  if (json) {
    await output.json({ type: 'incomplete', count: total, damages });
    return;
  }
  await output.line(`${output.styled('red', message)}:`);
  for (const damage of damages.slice(0, MAX_LISTED)) await output.line(`  ${readableDamage(damage)}`);
  if (total > MAX_LISTED) await output.line(`  … and ${total - MAX_LISTED} more`);
}

function readableDamage({ repo, digest, problem }: Damage): string {
  return `${repo} ${digest}: ${problem === 'missing' ? 'its bytes are missing' : 'its bytes do not match the digest'}`;
}
