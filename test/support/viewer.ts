import type { Viewer } from '../../src/ui/viewer.ts';

/** An administrator who may act, with this text in every place where there is one. */
export function viewer(text: string): Viewer {
  return {
    ...{ name: text, nickname: text, formToken: text, address: text, host: text },
    ...{ hasAccounts: true, canLogIn: true, isAdmin: true, passive: undefined, hasPast: true, now: 0 },
  };
}
