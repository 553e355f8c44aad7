import { Patterns, problemOfPattern } from '../../rule-file/patterns.ts';
import type { Claims } from '../identity.ts';
import { textOfClaim } from './claims.ts';

const PLACEHOLDER = /\$\{([^{}]*)\}/g;
const CLAIM_NAME = /^[\w.:/-]{1,100}$/;
/** One component of a repository's name, as the spec defines it. It has no character with a meaning in patterns. */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const MAX_COMPONENT = 255;
/** Replaces a claim while the rest of a pattern is checked. */
const STAND_IN = 'x';

/** A glob for repository names, in which `${claim}` stands for a claim of the identity. */
export class RepositoryPattern {
  readonly text: string;
  /** Names of the claims that it refers to. */
  readonly claims: readonly string[];
  /** The glob, if it refers to no claim. */
  readonly #fixed: Patterns | undefined;

  /** @param text for which `problemOf` found no problem */
  constructor(text: string) {
    this.text = text;
    this.claims = [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
    this.#fixed = this.claims.length === 0 ? new Patterns([text]) : undefined;
  }

  /** Why a text cannot be used as a pattern; undefined if it can. */
  static problemOf(text: string): string | undefined {
    for (const { 1: name = '', index } of text.matchAll(PLACEHOLDER)) {
      if (!CLAIM_NAME.test(name)) return 'the name of a claim is expected in the braces after "$"';
      const before = text.slice(0, index).replace(PLACEHOLDER, STAND_IN);
      if (/\[[^\]]*$|\{[^}]*$/.test(before)) return 'a claim cannot stand within [] or {}';
    }
    return problemOfPattern('repository', text.replace(PLACEHOLDER, STAND_IN));
  }

  /**
   * The glob for an identity with these claims; undefined if a claim is missing or is not exactly one legal component of a name. So
   * no value can match beyond its place in the pattern.
   */
  withClaims(claims: Claims): Patterns | undefined {
    if (this.#fixed !== undefined) return this.#fixed;
    let isComplete = true;
    const glob = this.text.replace(PLACEHOLDER, (_, name: string) => {
      const value = textOfClaim(claims, name);
      if (value !== undefined && value.length <= MAX_COMPONENT && COMPONENT.test(value)) return value;
      isComplete = false;
      return '';
    });
    return isComplete ? new Patterns([glob]) : undefined;
  }
}
