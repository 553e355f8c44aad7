// What pages do beyond HTML: copy, jump by the command palette, and filter while one types. Everything works without it.
import { copyOnClick } from './copy.ts';
import { followChanges } from './follow.ts';
import { filterWhileTyping } from './live-filter.ts';
import { paletteByKey } from './palette.ts';
import { travelWhileSliding } from './travel.ts';

copyOnClick();
paletteByKey();
filterWhileTyping();
followChanges();
travelWhileSliding();
