import type { Script } from './commands.ts';
import { allowOom, script } from './script.ts';
import announce from './scripts/announce.lua' with { type: 'text' };
import apply from './scripts/apply.lua' with { type: 'text' };
import ask from './scripts/ask.lua' with { type: 'text' };
import build from './scripts/build.lua' with { type: 'text' };
import catalogBegin from './scripts/catalog-begin.lua' with { type: 'text' };
import catalogEnd from './scripts/catalog-end.lua' with { type: 'text' };
import catalogExpect from './scripts/catalog-expect.lua' with { type: 'text' };
import catalogForget from './scripts/catalog-forget.lua' with { type: 'text' };
import catalogLacks from './scripts/catalog-lacks.lua' with { type: 'text' };
import catalogList from './scripts/catalog-list.lua' with { type: 'text' };
import catalogMark from './scripts/catalog-mark.lua' with { type: 'text' };
import catalogPage from './scripts/catalog-page.lua' with { type: 'text' };
import catalogSettle from './scripts/catalog-settle.lua' with { type: 'text' };
import endHeal from './scripts/end-heal.lua' with { type: 'text' };
import endTurn from './scripts/end-turn.lua' with { type: 'text' };
import fresh from './scripts/fresh.lua' with { type: 'text' };
import inspect from './scripts/inspect.lua' with { type: 'text' };
import listReferrers from './scripts/list-referrers.lua' with { type: 'text' };
import listTags from './scripts/list-tags.lua' with { type: 'text' };
import own from './scripts/own.lua' with { type: 'text' };
import reset from './scripts/reset.lua' with { type: 'text' };
import shared from './scripts/shared.lua' with { type: 'text' };
import switchGeneration from './scripts/switch.lua' with { type: 'text' };
import turns from './scripts/turns.lua' with { type: 'text' };
import waitTurn from './scripts/wait-turn.lua' with { type: 'text' };

const parts = { shared, fresh, turns };

/** All scripts of the projection; the header of each describes its effect, keys, arguments and reply. */
export const SCRIPTS = {
  ask: script('ask', ask, parts),
  listTags: script('list-tags', listTags, parts),
  listReferrers: script('list-referrers', listReferrers, parts),
  announce: script('announce', announce, parts),
  announceRemoval: allowOom(script('announce', announce, parts)),
  waitTurn: script('wait-turn', waitTurn, parts),
  endTurn: script('end-turn', endTurn, parts),
  apply: script('apply', apply, parts),
  inspect: script('inspect', inspect, parts),
  endHeal: script('end-heal', endHeal, parts),
  own: script('own', own, parts),
  build: script('build', build, parts),
  reset: script('reset', reset, parts),
  switch: script('switch', switchGeneration, parts),
  catalogPage: script('catalog-page', catalogPage, parts),
  catalogMark: script('catalog-mark', catalogMark, parts),
  catalogSettle: script('catalog-settle', catalogSettle, parts),
  catalogBegin: script('catalog-begin', catalogBegin, parts),
  catalogExpect: script('catalog-expect', catalogExpect, parts),
  catalogForget: script('catalog-forget', catalogForget, parts),
  catalogLacks: script('catalog-lacks', catalogLacks, parts),
  catalogList: script('catalog-list', catalogList, parts),
  catalogEnd: script('catalog-end', catalogEnd, parts),
} as const satisfies Record<string, Script>;
