/** Why something cannot be loaded from an issuer, or from a file that belongs to it. The message is one line. */
export class IssuerProblem extends Error {
  override readonly name = 'IssuerProblem';
}
