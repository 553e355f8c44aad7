/** A violation of a guarantee, which no fault of the servers excuses. */
export class Fault extends Error {
  override readonly name = 'Fault';
}
