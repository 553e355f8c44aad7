/** The source did not answer, or failed. It is asked again later. */
export class SourceAway extends Error {
  override readonly name = 'SourceAway';
}

/** The source answers, but this replica must not, or cannot, follow it. The message says what to do. Nothing was written. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
}
