/**
 * How long the hold of a backup lasts unless it is renewed, in milliseconds: what a killed backup kept is garbage after that. It is much
 * longer than clocks differ, because each collector compares it with its own clock.
 */
export const HOLD_MS = 60 * 60_000;
