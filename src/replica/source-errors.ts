/** The source did not answer, or failed. It is asked again later. */
export class SourceAway extends Error {
  override readonly name: string = 'SourceAway';
}

/** Nothing at all came from the source, so the next request would wait for nothing, too. */
export class SourceSilent extends SourceAway {
  override readonly name = 'SourceSilent';
}

/** The source answers, but this replica must not, or cannot, follow it. The message says what to do. Nothing was written. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
}
