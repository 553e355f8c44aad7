#!/usr/bin/env bash
# usage: scripts/tools/ensure.sh <tool>...
# Makes every named tool available and prints their absolute paths, one a line, in order. If one is unavailable, prints one
# line on stderr and exits 1.
#
# MARINA_TEST_TOOLS, set by test/run.sh while all tests run, lists the tools that it has fetched. Any other tool is an error,
# because fetching it would count against the deadline of a test.
set -euo pipefail
# shellcheck source=scripts/tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $# -gt 0 ]] || tools_fail "usage: scripts/tools/ensure.sh <tool>..."

packages=()
builds=()
total=0
for tool in "$@"; do
  tools_find "$tool"
  if [[ -v MARINA_TEST_TOOLS && " $MARINA_TEST_TOOLS " != *" $tool "* ]]; then
    tools_fail "test/run.sh does not list $tool among the tools of these tests (${MARINA_TEST_TOOLS:-none})"
  fi
  if tools_path "$tool" >/dev/null; then continue; fi
  if [[ $kind == deb ]]; then
    packages+=("$source")
  else
    builds+=("$tool")
    total=$((total + minutes))
  fi
done

jobs=()
missing=()
if [[ ${#packages[@]} -gt 0 ]]; then
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  jobs+=("tools_install ${packages[*]}")
  missing+=("the Debian packages ${packages[*]};")
  total=$((total + 2))
fi
if [[ ${#builds[@]} -gt 0 ]]; then
  jobs+=("${builds[@]/#/tools_build }")
  missing+=("built with Go: ${builds[*]};")
fi
if [[ ${#jobs[@]} -gt 0 ]]; then
  echo "marina tools: fetching, once: ${missing[*]} about $total minutes on two idle processors" >&2
  tools_side_by_side "${jobs[@]}"
fi
for tool in "$@"; do
  tools_path "$tool" || tools_fail "$tool was installed, but its command was not found"
done
