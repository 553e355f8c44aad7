import { HOME, JUMP } from '../addresses.ts';
import { Icon } from '../components/icon.tsx';
import type { Child } from '../jsx/jsx-runtime.js';

/** The id of the list of results. */
export const PALETTE_RESULTS = 'palette-results';

const PALETTE_HINT = 'Or a label, or the beginning of a digest.';

/** The list of results, which the script replaces. @property status how many there are, for the line below */
export function PaletteResults({ status, children }: { readonly status: string; readonly children?: Child }) {
  return (
    <div class="palette-list" id={PALETTE_RESULTS} role="listbox" aria-label="Results" data-status={status}>
      {children}
    </div>
  );
}

/**
 * The command palette, which `/` and Ctrl-K open. Without scripts it is never shown, and the search box leads to the same results. Enter
 * without a choice sends its form, as the search box does.
 */
export function Palette() {
  return (
    <dialog class="palette" aria-label="Jump to a repository, tag or digest" data-palette={JUMP}>
      <form action={HOME} method="get" class="palette-form">
        <Icon name="search" />
        <input
          type="text"
          name="q"
          role="combobox"
          aria-expanded="false"
          aria-controls={PALETTE_RESULTS}
          aria-autocomplete="list"
          aria-label="Repository, tag or digest"
          placeholder="Repository, tag or digest"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          maxLength={255}
        />
      </form>
      <PaletteResults status="" />
      <p class="palette-foot">
        <span role="status" data-palette-status>
          {PALETTE_HINT}
        </span>
        <span class="palette-keys" aria-hidden="true">
          <span>
            <kbd>↑</kbd> <kbd>↓</kbd> choose
          </span>
          <span>
            <kbd>Enter</kbd> open
          </span>
          <span>
            <kbd>Esc</kbd> close
          </span>
        </span>
      </p>
    </dialog>
  );
}
