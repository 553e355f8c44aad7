/** The current second, as it stands in an address of the past. Moments later than it do not belong to it. */
export function compactNow(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase().concat('z');
}

/** Waits until the current second is over. */
export async function nextSecond(): Promise<void> {
  await Bun.sleep(1_010 - (Date.now() % 1_000));
}
