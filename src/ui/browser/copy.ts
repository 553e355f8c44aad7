const SHOWN_MS = 1_500;

/** Buttons with `data-copy` copy its text. */
export function copyOnClick(): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-copy]') : null;
    if (button === null) return;
    void copy(button.dataset.copy ?? '').then(() => {
      button.classList.add('copied');
      setTimeout(() => button.classList.remove('copied'), SHOWN_MS);
    });
  });
}

async function copy(text: string): Promise<void> {
  // Browsers offer the clipboard only over TLS and on localhost.
  if (navigator.clipboard !== undefined) return await navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}
