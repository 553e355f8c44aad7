import type { PullCommand } from '../models/pull-commands.ts';
import { Breakable, Command } from './basics.tsx';

/** Commands of which one is shown at a time. Radio buttons switch between them, so that they work without a script. */
export function CommandTabs({ commands, id }: { readonly commands: readonly PullCommand[]; readonly id: string }) {
  return (
    <fieldset class="tabs">
      <legend class="hidden">Client</legend>
      {commands.map(({ client, command }, at) => (
        <div class="tab" key={client}>
          <input type="radio" name={id} id={`${id}-${client}`} checked={at === 0} />
          <label for={`${id}-${client}`}>{client}</label>
          <Command text={command}>
            <Breakable text={command} />
          </Command>
        </div>
      ))}
    </fieldset>
  );
}
