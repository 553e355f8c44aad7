import type { Command } from 'commander';
import { operatorLabel, sleep } from '../../wiring/basics.ts';
import { addPinCommands } from '../pin.ts';
import { asOperator, run } from './run.ts';

export function addVerbs(marina: Command): void {
  addPinCommands(marina, { run, asOperator, sleep, operator: operatorLabel() });
}
