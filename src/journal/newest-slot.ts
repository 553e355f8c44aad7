/**
 * The number of the last slot of a log. Slots are contiguous, so the number of looks grows with the logarithm of the number of slots.
 * @param exists whether the log has a slot
 * @param from a slot that exists, or 0
 */
export async function newestSlot(exists: (seq: number) => Promise<boolean>, from: number): Promise<number> {
  let low = from;
  let step = 1;
  while (await exists(low + step)) {
    low += step;
    step *= 2;
  }
  for (let high = low + step; high - low > 1; ) {
    const middle = Math.floor((low + high) / 2);
    if (await exists(middle)) low = middle;
    else high = middle;
  }
  return low;
}
