/** Why an issuer's keys cannot be loaded. The message is one line. */
export class KeyProblem extends Error {
  override readonly name = 'KeyProblem';
}
