import type { Command } from 'commander';
import { replicaCommands } from '../../wiring/replica-commands.ts';
import { addReplicaCommands } from '../replica.ts';
import { run } from './run.ts';

export function addVerbs(marina: Command): void {
  addReplicaCommands(marina, { run, ...replicaCommands });
}
