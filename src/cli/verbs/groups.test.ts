import { expect, test } from 'bun:test';
import { Command } from 'commander';
import { addVerbsFor, GROUPS } from './groups.ts';

const namesIn = (marina: Command): string[] => marina.commands.map((command) => command.name());

test('each group adds the verbs that it names', async () => {
  for (const { verbs, load } of GROUPS) {
    const marina = new Command();
    (await load()).addVerbs(marina);
    expect(namesIn(marina).sort()).toEqual([...verbs].sort());
  }
});

test('a verb gets its own group, and anything else all of them', async () => {
  const [backup, help] = [new Command(), new Command()];
  await addVerbsFor(backup, 'backup');
  await addVerbsFor(help, '--help');
  expect(namesIn(backup)).toEqual(['backup']);
  expect(namesIn(help).length).toBe(GROUPS.flatMap(({ verbs }) => verbs).length);
});
