// What pages do beyond HTML. Everything works without it.
import { chooseAll } from './choose-all.ts';
import { copyOnClick } from './copy.ts';
import { followChanges } from './follow.ts';
import { filterWhileTyping } from './live-filter.ts';
import { loadMoreOnScroll } from './load-more.ts';
import { paletteByKey } from './palette.ts';
import { travelWhileSliding } from './travel.ts';
import { drawTreemap } from './treemap/treemap.ts';

chooseAll();
copyOnClick();
paletteByKey();
filterWhileTyping();
followChanges();
travelWhileSliding();
loadMoreOnScroll();
drawTreemap();
