import { SingleBar } from 'cli-progress';

const REDRAWS_PER_SECOND = 10;
const NAME_WIDTH = 30;

/** A progress line redrawn in place. @returns undefined without a terminal */
export function openBar(terminal: NodeJS.WriteStream | undefined, format: string): SingleBar | undefined {
  if (terminal?.isTTY !== true) return undefined;
  return new SingleBar({
    stream: terminal,
    fps: REDRAWS_PER_SECOND,
    format,
    barCompleteChar: '=',
    barIncompleteChar: '-',
    barsize: 24,
    clearOnComplete: true,
    // The library cuts the line itself and leaves the terminal's settings alone, so an interrupt leaves nothing to restore.
    linewrap: true,
  });
}

/** A repository's name, cut to fit the line. */
export function shortened(name: string): string {
  return name.length > NAME_WIDTH ? `${name.slice(0, NAME_WIDTH - 3)}...` : name;
}
