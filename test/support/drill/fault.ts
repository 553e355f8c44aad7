/** Something that must never be seen, whatever was done to the servers. */
export class Fault extends Error {
  override readonly name = 'Fault';
}
