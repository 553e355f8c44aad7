const WITHIN_MS = 60_000;

/** Waits until the expectation holds. @throws its last failure after the deadline */
export async function eventually(expectation: () => void | Promise<void>, withinMs = WITHIN_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      await expectation();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await Bun.sleep(10);
  }
}
