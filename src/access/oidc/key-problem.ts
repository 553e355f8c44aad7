/** Why there are no keys of an issuer. The message is one line. */
export class KeyProblem extends Error {
  override readonly name = 'KeyProblem';
}
