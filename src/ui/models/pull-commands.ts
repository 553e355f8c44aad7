import type { ContentKind } from '../../inspection/interface.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Reference } from '../../registry/interface.ts';

export interface PullCommand {
  readonly client: string;
  readonly command: string;
}

/**
 * How clients pull it. Names, tags and digests have no character with a meaning in a shell. Pure.
 * @param host by which clients reach the registry
 */
export function pullCommands(
  host: string,
  repo: RepositoryName,
  reference: Reference,
  kind: ContentKind,
): readonly PullCommand[] {
  const suffix = reference.kind === 'tag' ? `:${reference.tag}` : `@${reference.digest}`;
  const name = `${host}/${repo}${suffix}`;
  const all: Readonly<Record<'docker' | 'podman' | 'skopeo' | 'oras' | 'helm', string>> = {
    docker: `docker pull ${name}`,
    podman: `podman pull ${name}`,
    skopeo: `skopeo copy docker://${name} oci:${repo.slice(repo.lastIndexOf('/') + 1)}`,
    oras: kind === 'image' || kind === 'index' ? `oras copy ${name} --to-oci-layout layout` : `oras pull ${name}`,
    helm:
      reference.kind === 'tag'
        ? `helm pull oci://${host}/${repo} --version ${reference.tag.replaceAll('_', '+')}`
        : `helm pull oci://${name}`,
  };
  return clientsFor(kind).map((client) => ({ client, command: all[client] }));
}

function clientsFor(kind: ContentKind): readonly ('docker' | 'podman' | 'skopeo' | 'oras' | 'helm')[] {
  switch (kind) {
    case 'image':
    case 'index':
      return ['docker', 'podman', 'skopeo', 'oras'];
    case 'helm-chart':
      return ['helm', 'oras', 'skopeo'];
    default:
      return ['oras', 'skopeo'];
  }
}
