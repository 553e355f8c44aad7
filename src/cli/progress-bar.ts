import { SingleBar } from 'cli-progress';

const REDRAWS_PER_SECOND = 10;
const NAME_WIDTH = 30;

/** A line that is drawn over and over; undefined where nobody could see it. @param terminal undefined: nowhere to draw */
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
    // Cut at the edge of the terminal, whose own settings stay as they are: an interrupt leaves nothing to restore.
    linewrap: true,
  });
}

/** A repository's name, where there is little room. */
export function shortened(name: string): string {
  return name.length > NAME_WIDTH ? `${name.slice(0, NAME_WIDTH - 3)}...` : name;
}
