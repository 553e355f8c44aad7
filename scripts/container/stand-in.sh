# shellcheck shell=bash
# Makes container images from programs of this machine, without access to a registry. Sourced by other scripts.

stand_in_fail() {
  echo "marina stand-in: $*" >&2
  exit 1
}

# stand_in_root <folder> <program>...: a root folder with the programs in /usr/local/bin, the shared libraries and loader
# that they need, and the minimum that any image has.
stand_in_root() {
  local root=$1 program library
  shift
  mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/bin,usr/lib,usr/lib64,usr/local/bin,var/tmp}
  for folder in bin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
  for program in "$@"; do
    [[ -x $program ]] || stand_in_fail "$program is not on this machine"
    cp -L "$program" "$root/usr/local/bin/"
    # ldd fails for a static program.
    for library in $( (ldd "$program" 2>/dev/null || true) | grep -oE '/[^ :]+\.so[^ :]*' | sort -u); do
      mkdir -p "$root${library%/*}"
      cp -L "$library" "$root$library"
    done
  done
  printf '%s\n' 'hosts: files dns' >"$root/etc/nsswitch.conf"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh bun:x:1000:1000::/home/bun:/bin/sh >"$root/etc/passwd"
  printf '%s\n' root:x:0: bun:x:1000: >"$root/etc/group"
  # mktemp made the folder readable by its owner only.
  chmod 755 "$root"
  chmod 1777 "$root/tmp" "$root/var/tmp"
}

# stand_in_import <folder> <tag> <engine and its options> -- <change>...
stand_in_import() {
  local root=$1 tag=$2 engine=() changes=()
  shift 2
  while [[ $1 != -- ]]; do
    engine+=("$1")
    shift
  done
  shift
  for change in 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@"; do
    changes+=(--change "$change")
  done
  tar --create --directory="$root" --numeric-owner --owner=0 --group=0 . |
    "${engine[@]}" import "${changes[@]}" - "$tag" >&2
}
