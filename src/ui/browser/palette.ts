/** Between the last key and the search. */
const PAUSE_MS = 120;

/**
 * The command palette: `/` and Ctrl-K open it, it searches while one types, the arrow keys choose, Enter opens the choice, or searches
 * without one, and Escape closes it. The focus stays in its field, which names the choice (the combobox pattern of ARIA); the dialog
 * gives it back to where it was.
 */
export function paletteByKey(): void {
  const dialog = document.querySelector<HTMLDialogElement>('[data-palette]');
  const field = dialog?.querySelector('input');
  if (!dialog || !field) return;
  const palette = new Palette(dialog, field);
  document.addEventListener('keydown', (event) => {
    const isSlash = event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    const isCtrlK = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!isSlash && !isCtrlK) return;
    event.preventDefault();
    palette.open();
  });
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
  );
}

class Palette {
  readonly #dialog: HTMLDialogElement;
  readonly #field: HTMLInputElement;
  readonly #status: HTMLElement | null;
  /** What the status says while nothing is typed. */
  readonly #hint: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;

  constructor(dialog: HTMLDialogElement, field: HTMLInputElement) {
    this.#dialog = dialog;
    this.#field = field;
    this.#status = dialog.querySelector('[data-palette-status]');
    this.#hint = this.#status?.textContent ?? '';
    field.addEventListener('input', () => this.#searchSoon());
    field.addEventListener('keydown', (event) => this.#key(event));
    dialog.addEventListener('close', () => this.#stop());
    // The dialog itself is hit only beside its content.
    dialog.addEventListener('click', ({ target }) => {
      if (target === dialog) dialog.close();
    });
  }

  open(): void {
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#field.focus();
    this.#field.select();
    if (this.#field.value !== '') this.#searchSoon();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }

  /** What was asked or chosen before no longer counts, so no older answer can come after a newer one. */
  #searchSoon(): void {
    this.#stop();
    this.#choose(undefined);
    const running = new AbortController();
    this.#running = running;
    this.#timer = setTimeout(() => void this.#search(this.#field.value.trim(), running), PAUSE_MS);
  }

  async #search(text: string, running: AbortController): Promise<void> {
    if (text === '') return this.#show(undefined, this.#hint);
    try {
      const address = `${this.#dialog.dataset.palette}?${new URLSearchParams({ q: text })}`;
      const response = await fetch(address, { signal: running.signal });
      const html = await response.text();
      if (this.#running !== running) return;
      if (!response.ok) return this.#show(undefined, 'The search failed. Enter tries it on its own page.');
      const fresh = new DOMParser().parseFromString(html, 'text/html').getElementById(this.#results?.id ?? '');
      this.#show(fresh ?? undefined, fresh?.dataset.status ?? '');
    } catch (error) {
      if (this.#running !== running) return;
      // The registry cannot be reached. Anything else is a mistake here.
      if (!(error instanceof TypeError)) throw error;
      this.#show(undefined, 'The registry cannot be reached.');
    }
  }

  /** An answer may come after a match of the list before was chosen: it stays chosen if the new list has it, too. */
  #show(fresh: HTMLElement | undefined, status: string): void {
    const address = this.#chosen?.getAttribute('href');
    if (fresh === undefined) this.#results?.replaceChildren();
    else this.#results?.replaceWith(fresh);
    if (this.#status !== null) this.#status.textContent = status;
    this.#field.setAttribute('aria-expanded', String(this.#options.length > 0));
    this.#choose(this.#options.find((each) => each.getAttribute('href') === address));
  }

  get #results(): HTMLElement | null {
    return document.getElementById(this.#field.getAttribute('aria-controls') ?? '');
  }

  get #options(): HTMLElement[] {
    return [...(this.#results?.querySelectorAll<HTMLElement>('[role="option"]') ?? [])];
  }

  get #chosen(): HTMLElement | undefined {
    return this.#options.find((each) => each.getAttribute('aria-selected') === 'true');
  }

  #choose(option: HTMLElement | undefined): void {
    for (const each of this.#options) each.setAttribute('aria-selected', String(each === option));
    if (option === undefined) this.#field.removeAttribute('aria-activedescendant');
    else this.#field.setAttribute('aria-activedescendant', option.id);
    option?.scrollIntoView({ block: 'nearest' });
  }

  #key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const chosen = this.#chosen;
    switch (event.key) {
      case 'ArrowDown':
        event.preventDefault();
        this.#move(1);
        break;
      case 'ArrowUp':
        event.preventDefault();
        this.#move(-1);
        break;
      case 'Enter':
        if (chosen === undefined) return;
        event.preventDefault();
        chosen.click();
        break;
    }
  }

  /** Behind the last option, and before the first, comes the field itself, without a choice. */
  #move(step: 1 | -1): void {
    const options = this.#options;
    const places = options.length + 1;
    const at = this.#chosen === undefined ? 0 : options.indexOf(this.#chosen) + 1;
    const next = (at + step + places) % places;
    this.#choose(next === 0 ? undefined : options[next - 1]);
  }
}
