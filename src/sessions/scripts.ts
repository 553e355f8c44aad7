import { script } from '../projection/redis/script.ts';
import breakSession from './scripts/break.lua' with { type: 'text' };
import end from './scripts/end.lua' with { type: 'text' };
import epoch from './scripts/epoch.lua' with { type: 'text' };
import forget from './scripts/forget.lua' with { type: 'text' };
import index from './scripts/index.lua' with { type: 'text' };
import lease from './scripts/lease.lua' with { type: 'text' };
import load from './scripts/load.lua' with { type: 'text' };
import oldest from './scripts/oldest.lua' with { type: 'text' };
import release from './scripts/release.lua' with { type: 'text' };
import save from './scripts/save.lua' with { type: 'text' };

export const SCRIPTS = {
  break: script('upload-break', breakSession),
  end: script('upload-end', end),
  epoch: script('upload-epoch', epoch),
  forget: script('upload-forget', forget),
  index: script('upload-index', index),
  lease: script('upload-lease', lease),
  load: script('upload-load', load),
  oldest: script('upload-oldest', oldest),
  release: script('upload-release', release),
  save: script('upload-save', save),
} as const;
