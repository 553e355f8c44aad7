/** A box with `data-choose-all` checks or clears all other boxes of its form. */
export function chooseAll(): void {
  document.addEventListener('change', (event) => {
    const box = event.target instanceof HTMLInputElement ? event.target : null;
    if (box === null || box.dataset.chooseAll === undefined) return;
    for (const each of box.form?.querySelectorAll<HTMLInputElement>('input[type="checkbox"][name]') ?? [])
      each.checked = box.checked;
  });
}
