// What pages do beyond HTML: copy, go to the search box by a key, and filter while one types. Everything works without it.
import { copyOnClick } from './copy.ts';
import { followChanges } from './follow.ts';
import { filterWhileTyping } from './live-filter.ts';
import { searchByKey } from './search-key.ts';

copyOnClick();
searchByKey();
filterWhileTyping();
followChanges();
