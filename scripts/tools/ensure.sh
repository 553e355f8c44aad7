#!/usr/bin/env bash
# usage: scripts/tools/ensure.sh <tool>...
# Makes every named tool available and prints their absolute paths, one a line, in order. What is missing and cannot be
# had is one line on stderr and exit status 1.
set -euo pipefail
# shellcheck source=scripts/tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $# -gt 0 ]] || tools_fail "usage: scripts/tools/ensure.sh <tool>..."

packages=()
builds=()
for tool in "$@"; do
  tools_find "$tool"
  if ! tools_path "$tool" >/dev/null; then
    if [[ $kind == go* ]]; then builds+=("$tool"); else packages+=("$source"); fi
  fi
done

if [[ ${#packages[@]} -gt 0 ]]; then
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  tools_install "${packages[@]}"
fi
for tool in "${builds[@]}"; do
  tools_build "$tool"
done
for tool in "$@"; do
  tools_path "$tool" || tools_fail "$tool was installed, but its command is nowhere to be found"
done
