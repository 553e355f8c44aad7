/** Paths in a square of 24, drawn with strokes. */
const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14a7 7 0 1 0 0-14M20 20l-4-4',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  check: 'M5 13l4 4L19 7',
  tag: 'M4 4h7l9 9-7 7-9-9zM8 8h.01',
  layers: 'M12 3l9 5-9 5-9-5zM3 13l9 5 9-5',
  clock: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2',
  box: 'M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9',
  folder: 'M3 6h6l2 2h10v11H3z',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  enter: 'M14 4h5v16h-5M4 12h10M10 8l4 4-4 4',
  leave: 'M10 4H5v16h5M10 12h10M16 8l4 4-4 4',
  trash: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  undo: 'M8 5L4 9l4 4M4 9h10a5 5 0 0 1 0 10H9',
  arrow: 'M9 6l6 6-6 6',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  shield: 'M12 3l7 3v5c0 5-3 8-7 10c-4-2-7-5-7-10V6z',
  list: 'M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01',
  alert: 'M12 4l9 16H3zM12 10v4M12 17h.01',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  hourglass: 'M7 3h10M7 21h10M8 3c0 5 8 5 8 9s-8 4-8 9M16 3c0 5-8 5-8 9s8 4 8 9',
  pin: 'M9 3h6l-1 6 4 4H6l4-4zM12 13v8',
  key: 'M15 4a5 5 0 1 0 0 10a5 5 0 1 0 0-10M11.5 12.5L4 20M6 18l2.5 2.5M9 15l2 2',
  gauge: 'M4 18a9 9 0 1 1 16 0M12 14l4-5M12 14h.01',
  users:
    'M9 5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7M3 20a6 6 0 0 1 12 0M16 5.5a3.5 3.5 0 0 1 0 6M17.5 14.5a6 6 0 0 1 3.5 5.5',
  robot: 'M5 9h14v10H5zM12 9V5M9 13h.01M15 13h.01M9 16h6M2 13v3M22 13v3',
  compare: 'M4 5h7v14H4zM13 5h7v14h-7M15.5 10h2M15.5 14h2',
  refresh: 'M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6',
  swap: 'M4 8h14M14 4l4 4-4 4M20 16H6M10 12l-4 4 4 4',
  wave: 'M3 9c3-3 6-3 9 0s6 3 9 0M3 16c3-3 6-3 9 0s6 3 9 0',
} as const;

export type IconName = keyof typeof PATHS;

/** Beside a text that says the same: readers of the page skip it. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Marina's mark: a sail over water. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect class="mark-ground" width="32" height="32" rx="8" />
      <path class="mark-sail" d="M17 5.5v14h7.5C23.8 13.5 21 8.4 17 5.5zM15 9v10.5H8.5C9.2 15.5 11.6 11.7 15 9z" />
      <path class="mark-water" d="M6 24c2.5-2 4.2-2 6.7 0s4.2 2 6.7 0s4.2-2 6.6 0" />
    </svg>
  );
}
