const PAUSE_MS = 80;

/**
 * A form with `data-live-form` is sent while one types, and the part of the page around it, which has `data-live` and an id, is replaced
 * by that of the answer. Only the last answer counts.
 */
export function filterWhileTyping(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;
  document.addEventListener('input', (event) => {
    const field = event.target instanceof HTMLInputElement ? event.target : null;
    const form = field?.closest<HTMLFormElement>('[data-live-form]');
    if (form === null || form === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      running?.abort();
      running = new AbortController();
      void update(form, running.signal);
    }, PAUSE_MS);
  });
}

async function update(form: HTMLFormElement, signal: AbortSignal): Promise<void> {
  const part = form.closest<HTMLElement>('[data-live]');
  if (part === null) return;
  const address = new URL(form.action);
  for (const [name, value] of new FormData(form))
    if (typeof value === 'string' && value !== '') address.searchParams.set(name, value);
  try {
    const response = await fetch(address, { signal });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const fresh = page.getElementById(part.id);
    if (fresh === null) return;
    replaceBeside(part, fresh, form);
    history.replaceState(null, '', address);
  } catch (error) {
    // A newer request has taken its place, or the registry cannot be reached: the form can still be sent by Enter.
    if (!(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
  }
}

/** Replaces everything but the form, so that the cursor stays where it is; the links beside the form have the new filter, too. */
function replaceBeside(part: HTMLElement, fresh: HTMLElement, form: HTMLFormElement): void {
  const head = form.closest('.card-head');
  for (const child of [...part.children]) if (child !== head) child.remove();
  const links = fresh.querySelector('.orders');
  if (links !== null) part.querySelector('.orders')?.replaceWith(links);
  for (const child of [...fresh.children]) if (!child.classList.contains('card-head')) part.append(child);
}
