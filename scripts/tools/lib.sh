# shellcheck shell=bash
# The external servers and clients that tests and benchmarks run against. Sourced by ensure.sh.
#
# Go tools are built once a version into $tools_cache/<name>@<version>/<name>; Debian packages are installed by apt.

tools_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools_cache=${XDG_CACHE_HOME:-$HOME/.cache}/marina-tools

# name | go    | package to build                                           | version | minutes to build on two processors
# name | gomod | the same, of a module whose go.mod forbids `go install`   | version | minutes
# name | own   | a Go program of this repository, whose version is the hash of its files | | minutes
# name | deb   | package that contains it                                   | installed path
tools_table='
conformance | go  | github.com/opencontainers/distribution-spec/conformance | v0.0.0-20260831232431-97274622c111 | 1
registry    | go  | github.com/distribution/distribution/v3/cmd/registry    | v3.1.2 | 2
oras        | go  | oras.land/oras/cmd/oras                                 | v1.3.6 | 1
crane       | go  | github.com/google/go-containerregistry/cmd/crane        | v0.22.1 | 1
regctl      | go  | github.com/regclient/regclient/cmd/regctl               | v0.11.7 | 1
helm        | go  | helm.sh/helm/v4/cmd/helm                                | v4.3.2 | 3
cosign      | go  | github.com/sigstore/cosign/v3/cmd/cosign                | v3.1.3 | 4
minio       | go  | github.com/minio/minio                                  | v0.0.0-20260212201848-7aac2a2c5b7c | 5
mc          | go  | github.com/minio/mc                                     | v0.0.0-20250313080218-cf909e1063a9 | 3
versitygw   | go  | github.com/versity/versitygw/cmd/versitygw              | v1.8.0 | 2
docker-compose | gomod | github.com/docker/compose/v2/cmd                   | v2.40.3 | 4
linearizability | own | test/linearizability                              | -      | 1
skopeo      | deb | skopeo                                                  | /usr/bin/skopeo
podman      | deb | podman                                                  | /usr/bin/podman
buildah     | deb | buildah                                                 | /usr/bin/buildah
runc        | deb | runc                                                    | /usr/sbin/runc
containerd  | deb | containerd                                               | /usr/bin/containerd
ctr         | deb | containerd                                               | /usr/bin/ctr
docker      | deb | docker.io                                               | /usr/bin/docker
dockerd     | deb | docker.io                                               | /usr/sbin/dockerd
ip          | deb | iproute2                                                | /usr/bin/ip
strace      | deb | strace                                                  | /usr/bin/strace
redis-server | deb | redis-server                                           | /usr/bin/redis-server
redis-sentinel | deb | redis-sentinel                                       | /usr/bin/redis-sentinel
nginx       | deb | nginx-light                                             | /usr/sbin/nginx
haproxy     | deb | haproxy                                                 | /usr/sbin/haproxy
curl        | deb | curl                                                    | /usr/bin/curl
jq          | deb | jq                                                      | /usr/bin/jq
openssl     | deb | openssl                                                 | /usr/bin/openssl
mkfs.ext4   | deb | e2fsprogs                                               | /usr/sbin/mkfs.ext4
htpasswd    | deb | apache2-utils                                           | /usr/bin/htpasswd
chromium    | deb | chromium                                                | /usr/bin/chromium
argon2      | deb | argon2                                                  | /usr/bin/argon2
'

# Removed when a build or an installation is interrupted.
tools_leftovers=()
tools_clean_up() {
  [[ ${#tools_leftovers[@]} == 0 ]] || rm -rf "${tools_leftovers[@]}"
  tools_leftovers=()
}
# A subshell does not inherit traps: each job of tools_fetch sets them again.
tools_trap() {
  trap "$1" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
tools_trap tools_clean_up

tools_fail() {
  echo "marina tools: $*" >&2
  exit 1
}

# Sets kind, source, place (a version or a path) and minutes from the table, for a tool or the name of a Debian package.
tools_find() {
  local row
  row=$(awk -F ' *[|] *' -v tool="$1" '$1 == tool || ($2 == "deb" && $3 == tool) { print $2, $3, $4, $5; exit }' \
    <<<"$tools_table")
  [[ -n $row ]] || tools_fail "no tool is called \"$1\"; see the table in scripts/tools/lib.sh"
  read -r kind source place minutes <<<"$row"
  if [[ $kind == own ]]; then
    place=$(cd "$tools_root/$source" && cat go.mod go.sum ./*.go | sha256sum | cut -c 1-16)
  fi
}

# Prints the path of an installed tool, or fails.
tools_path() {
  local kind source place minutes
  tools_find "$1"
  if [[ $kind != deb ]]; then
    place=$tools_cache/$1@$place/$1
  elif [[ ! -x $place ]]; then
    place=$(command -v "$1") || return 1
  fi
  [[ -x $place ]] && echo "$place"
}

# The ways to build $source at version $place as $temporary/$tool; called by tools_build.
tools_compile_go() {
  GOBIN=$temporary CGO_ENABLED=0 go install "$source@$place"
}

# Uses a wrapper module with the same requirements, replacements and exclusions, which depends on the wanted one.
tools_compile_gomod() {
  local module=${source%/*} wrapper=$temporary/module folder
  folder=$(go mod download -json "$module@$place" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') && [[ -n $folder ]] || return
  mkdir -p "$wrapper" && cp "$folder"/go.{mod,sum} "$wrapper/" && chmod u+w "$wrapper"/* &&
    (cd "$wrapper" && go mod edit -module=marina-tools/"$tool" -require="$module@$place" &&
      GOFLAGS=-mod=mod CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X $module/internal.Version=$place" \
        -o "$temporary/$tool" "$source") || return
  rm -r "$wrapper"
}

tools_compile_own() {
  CGO_ENABLED=0 go build -C "$tools_root/$source" -mod=readonly -trimpath -o "$temporary/$tool" .
}

# Builds in a temporary folder and renames it into place: an interrupted build leaves nothing that looks complete, and the
# second of two concurrent builds finds the result of the first.
tools_build() {
  local tool=$1 kind source place minutes temporary target attempt
  tools_find "$tool"
  target=$tools_cache/$tool@$place
  command -v go >/dev/null || tools_fail "Go is not installed; $tool $place is built with it (https://go.dev/dl)"
  mkdir -p "$tools_cache"
  temporary=$(mktemp -d "$tools_cache/.$tool.XXXXXX")
  tools_leftovers+=("$temporary")
  echo "marina tools: building $tool $place" >&2
  for attempt in 1 2 3; do
    if "tools_compile_$kind" >"$temporary/log" 2>&1; then
      rm "$temporary/log"
      chmod 755 "$temporary"
      mv -T "$temporary" "$target" 2>/dev/null || true
      tools_clean_up
      [[ -x $target/$tool ]] || tools_fail "$target is in the way; remove it"
      return
    fi
    [[ $attempt == 3 ]] || sleep "$attempt"
  done
  tail -n 20 "$temporary/log" >&2
  tools_fail "$source@$place could not be built; the last lines of go are above"
}

tools_apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# Installs Debian packages without starting their services: the tests start their own, on their own ports.
tools_install() {
  local log policy=/usr/sbin/policy-rc.d
  command -v apt-get >/dev/null || tools_fail "this is not a Debian system; install these by hand: $*"
  [[ $(id -u) == 0 ]] || tools_fail "not root, so these Debian packages cannot be installed: $*"
  log=$(mktemp)
  tools_leftovers+=("$log")
  if [[ ! -e $policy ]]; then
    tools_leftovers+=("$policy")
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  if ! tools_apt install --no-install-recommends "$@" -y >"$log" 2>&1; then
    # Package lists may be missing or stale.
    if ! { tools_apt update && tools_apt install --no-install-recommends "$@" -y; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      tools_fail "apt-get could not install: $*; its last lines are above"
    fi
  fi
  tools_clean_up
}

# Runs the commands, two at a time: while one downloads, the other uses the processors. More would exceed the memory of a
# small machine. Each reports its own failure.
tools_side_by_side() {
  local command job jobs=() failed=0
  tools_trap tools_stop_jobs
  for command in "$@"; do
    while (($(jobs -pr | wc -l) >= 2)); do wait -n || true; done
    # A separate process group, so that it can be stopped with its children.
    set -m
    (
      set +m
      tools_trap tools_clean_up
      # shellcheck disable=SC2086 # the words of the command
      $command
    ) </dev/null &
    set +m
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  tools_trap tools_clean_up
  ((failed == 0)) || exit 1
}
tools_stop_jobs() {
  local job
  for job in $(jobs -pr); do kill -TERM -- "-$job" 2>/dev/null || true; done
}
