import { formatBytes } from '../format.ts';

/** A larger share says less than the sizes do. */
const MAX_PERCENT = 999;

/** `+1.20 MiB (+5 %)`, `−300 B`, `no change in size`. Pure. @param from, to bytes */
export function sizeChange(from: number, to: number): string {
  const difference = to - from;
  if (difference === 0) return 'no change in size';
  const sign = difference > 0 ? '+' : '−';
  const share = from === 0 ? 0 : Math.round((Math.abs(difference) / from) * 100);
  return `${sign}${formatBytes(Math.abs(difference))}${share === 0 || share > MAX_PERCENT ? '' : ` (${sign}${share} %)`}`;
}
