const BLOCK = /-----BEGIN (?<label>[A-Z0-9 ]+)-----[\s\S]*?-----END \k<label>-----/g;

export interface PemBlock {
  readonly text: string;
  /** Such as `CERTIFICATE`. */
  readonly label: string;
}

/**
 * The blocks of a PEM file. Text around them is ignored: "Data before the encapsulation boundaries are permitted, and parsers MUST NOT
 * malfunction when processing such data" (RFC 7468, section 2).
 */
export function pemBlocks(pem: string): readonly PemBlock[] {
  return Array.from(pem.matchAll(BLOCK), ([text, label = '']) => ({ text, label }));
}
