import { styleText } from 'node:util';

/** The reader of the output has gone (`| head`). */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

export type Style = Parameters<typeof styleText>[0];

/** Writes lines with back-pressure. */
export class Output {
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WriteStream;
  readonly #hasColors: boolean;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    // Knows NO_COLOR and TERM=dumb. FORCE_COLOR counts on a terminal only: elsewhere the output is for programs.
    this.#hasColors = this.isTerminal && stream.hasColors();
    // Each write reports its own failure; without a listener the same failure would crash the process.
    stream.on('error', () => {});
  }

  /** @throws OutputClosed if the reader has gone */
  line(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(`${text}\n`, (error) => {
        if (error === undefined || error === null) resolve();
        else reject('code' in error && error.code === 'EPIPE' ? new OutputClosed() : error);
      });
    });
  }

  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }

  /** Styles the text if the output is a terminal with colours. */
  styled(style: Style, text: string): string {
    return this.#hasColors ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Escapes control characters: untrusted text must not control the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);
}

/** `1 slot`, `2 slots`, `0 repositories`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** A slot's time in UTC, to the second. @param at ISO 8601 with milliseconds and Z, as slots have it */
export function formatTime(at: string): string {
  return `${at.slice(0, 10)} ${at.slice(11, 19)}Z`;
}
