/** Between two tries while the registry cannot be reached. */
const RETRY_MS = 5_000;
/** Between two looks, so that a busy registry is not asked for the page without a pause. */
const REST_MS = 400;

/**
 * A part of the page with `data-follow` and an id is replaced whenever that address says that something changed. It answers after a while
 * in any case, so each request is short.
 */
export function followChanges(): void {
  const part = document.querySelector<HTMLElement>('[data-follow]');
  if (part !== null) void follow(part.id);
}

async function follow(id: string): Promise<never> {
  for (;;) {
    // Filters replace the part, and with it the address.
    const part = document.getElementById(id);
    const address = part?.dataset.follow;
    if (address === undefined || document.hidden) await pause();
    else await wait(address, id).catch(retryLater);
  }
}

async function wait(address: string, id: string): Promise<void> {
  const response = await fetch(address);
  if (!response.ok) return await pause();
  const { isChanged }: { readonly isChanged: boolean } = await response.json();
  if (!isChanged) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html');
  const [part, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (part === null || fresh === null) return;
  // The filter stays: someone may be typing.
  for (const child of [...part.children]) if (!child.classList.contains('card-head')) child.remove();
  for (const child of [...fresh.children]) if (!child.classList.contains('card-head')) part.append(child);
  part.dataset.follow = fresh.dataset.follow;
  await pause(REST_MS);
}

/** The registry restarts, or the network is gone. Anything else is a mistake here. */
async function retryLater(error: unknown): Promise<void> {
  if (!(error instanceof TypeError)) throw error;
  await pause();
}

function pause(milliseconds = RETRY_MS): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
