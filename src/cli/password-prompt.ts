import { StringDecoder } from 'node:string_decoder';
import { CommandError, EXIT } from './failure.ts';

const MAX_CHARACTERS = 4_096;
// What the keys of a terminal send: Enter, Ctrl-C and Ctrl-D, Ctrl-U, Backspace.
const LINE_ENDS = ['\r', '\n'];
const INTERRUPTS = ['\u0003', '\u0004'];
const ERASE_LINE = '\u0015';
const BACKSPACES = ['\u007f', '\b'];

export interface PasswordSource {
  /** Reads standard input instead of prompting on the terminal. */
  readonly passwordStdin?: true;
}

/** The new password: typed twice without echo, or all of standard input without its last line break. */
export async function readNewPassword({ passwordStdin }: PasswordSource): Promise<string> {
  if (passwordStdin === true) return readAll();
  if (!process.stdin.isTTY)
    throw new CommandError(EXIT.failed, 'no terminal to prompt for the password: use --password-stdin');
  const first = await ask('New password: ');
  const second = await ask('Repeat the password: ');
  if (first !== second) throw new CommandError(EXIT.failed, 'the two passwords differ: nothing was changed');
  return first;
}

async function readAll(): Promise<string> {
  let text = '';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of process.stdin) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MAX_CHARACTERS)
        throw new CommandError(EXIT.failed, `the password is longer than ${MAX_CHARACTERS} characters`);
    }
    text += decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(EXIT.failed, 'the password is not UTF-8 text');
    throw error;
  }
  return text.replace(/\r?\n$/, '');
}

/** Reads one line from the terminal without echo. */
async function ask(question: string): Promise<string> {
  const { stdin, stderr } = process;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  const read = (chunk: Buffer): void => {
    for (const character of decoder.write(chunk)) {
      if (LINE_ENDS.includes(character)) resolve(typed.join(''));
      else if (INTERRUPTS.includes(character))
        reject(new CommandError(EXIT.failed, 'interrupted: nothing was changed'));
      else if (character === ERASE_LINE) typed = [];
      else if (BACKSPACES.includes(character)) typed.pop();
      else if (typed.length < MAX_CHARACTERS) typed.push(character);
    }
  };
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.on('data', read);
  stdin.resume();
  try {
    return await promise;
  } finally {
    stdin.off('data', read);
    stdin.pause();
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
