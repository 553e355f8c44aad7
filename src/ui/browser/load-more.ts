/** Entries that one page gets at most. */
const MAX_ENTRIES = 5_000;
/** How far before the end of the list the next entries are loaded. */
const AHEAD = '1500px';

/**
 * A pager with `data-more`, the id of the part that has the entries, is the end of lists that go on: its link leads to the next page. The
 * lists of that page are added to the part before one comes to its end. The link stays, for when they cannot be loaded.
 */
export function loadMoreOnScroll(): void {
  const pager = document.querySelector<HTMLElement>('[data-more]');
  const part = document.getElementById(pager?.dataset.more ?? '');
  const link = pager?.querySelector('a');
  if (pager === null || part === null || link === null || link === undefined) return;
  const observer = new IntersectionObserver(
    (entries) => {
      // It may have come into view and left it since the last call, or the other way round.
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      void add(part, pager, link).then((goesOn) => {
        if (goesOn) observer.observe(pager);
      });
    },
    { rootMargin: AHEAD },
  );
  observer.observe(pager);
}

/** @returns whether the list goes on */
async function add(part: HTMLElement, pager: HTMLElement, link: HTMLAnchorElement): Promise<boolean> {
  try {
    const response = await fetch(link.href);
    if (!response.ok) return false;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    part.append(...page.querySelectorAll(`#${part.id} > ol`));
    const next = page.querySelector<HTMLAnchorElement>('[data-more] a')?.getAttribute('href');
    if (next === undefined || next === null) {
      pager.remove();
      return false;
    }
    // The link itself stays, because it may have the focus.
    link.setAttribute('href', next);
    return part.querySelectorAll('li').length < MAX_ENTRIES;
  } catch (error) {
    // The registry cannot be reached.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
