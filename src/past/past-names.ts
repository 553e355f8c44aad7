import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import { formatCompactTime, parseCompactTime, type TimeMoment } from './moment.ts';

/** A repository as it was, named in an address of the past. */
export interface PastName {
  readonly moment: TimeMoment;
  readonly repo: RepositoryName;
}

/**
 * The names under which the past of the registry stands: `<prefix>/<moment>/<repository>`. Pure. Without a prefix (PAST_PREFIX is
 * empty) there are none.
 */
export class PastNames {
  readonly #start: string | undefined;
  readonly prefix: string;

  /** @param prefix one component of a repository name, or empty */
  constructor(prefix: string) {
    this.prefix = prefix;
    this.#start = prefix === '' ? undefined : `${prefix}/`;
  }

  /** Whether nothing may be pushed under this name. */
  isReserved(name: RepositoryName): boolean {
    return this.#start !== undefined && (name === this.prefix || name.startsWith(this.#start));
  }

  /** @returns undefined for the name of a repository of today */
  parse(name: RepositoryName): PastName | undefined {
    if (this.#start === undefined || !name.startsWith(this.#start)) return undefined;
    const slash = name.indexOf('/', this.#start.length);
    if (slash < 0) return undefined;
    const moment = parseCompactTime(name.slice(this.#start.length, slash));
    const repo = parseRepositoryName(name.slice(slash + 1));
    return moment === undefined || repo === undefined ? undefined : { moment, repo };
  }

  /** The name of a repository as it was; `parse` is the inverse. @returns undefined without a prefix, or if the name would be too long */
  nameOf({ moment, repo }: PastName): RepositoryName | undefined {
    const base = this.baseOf(moment);
    return base === undefined ? undefined : parseRepositoryName(`${base}/${repo}`);
  }

  /** The name under which the whole registry stands; `parseBase` is the inverse. @returns undefined without a prefix */
  baseOf(moment: TimeMoment): RepositoryName | undefined {
    return this.#start === undefined ? undefined : parseRepositoryName(this.#start + formatCompactTime(moment));
  }

  /** The moment of `<prefix>/<moment>`, under which the whole registry stands. */
  parseBase(name: RepositoryName): TimeMoment | undefined {
    if (this.#start === undefined || !name.startsWith(this.#start)) return undefined;
    return parseCompactTime(name.slice(this.#start.length));
  }
}

/** Whether a registry may have its past under this name. Its PAST_PREFIX is not known. */
export function mayBePast(name: RepositoryName): boolean {
  const [, moment, repo] = name.split('/');
  return moment !== undefined && repo !== undefined && parseCompactTime(moment) !== undefined;
}
