const PAUSE_MS = 120;

/**
 * A form with `data-travel` is sent while its slider moves. Every part of the page with `data-then` is replaced by that of the answer with
 * the same id; the slider itself stays. Only the last answer counts.
 */
export function travelWhileSliding(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;
  document.addEventListener('input', (event) => {
    const field = event.target instanceof HTMLInputElement ? event.target : null;
    const form = field?.closest<HTMLFormElement>('[data-travel]');
    if (form === null || form === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      running?.abort();
      running = new AbortController();
      void show(form, running.signal);
    }, PAUSE_MS);
  });
}

async function show(form: HTMLFormElement, signal: AbortSignal): Promise<void> {
  const address = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (typeof value === 'string') address.searchParams.set(name, value);
  try {
    const response = await fetch(address, { signal });
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    // An error's page has no such parts.
    if (page.getElementById('then') === null) return;
    for (const part of document.querySelectorAll<HTMLElement>('[data-then]')) {
      const fresh = page.getElementById(part.id);
      if (fresh !== null) part.replaceWith(fresh);
    }
    document.title = page.title;
    history.replaceState(null, '', response.url);
  } catch (error) {
    // A newer request has taken its place, or the registry cannot be reached: the form can still be sent by its links.
    if (!(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
  }
}
