#!/usr/bin/env bash
# usage: test/run.sh [arguments of bun test]
# `npm test` runs every test. With arguments they go to bun test as they are (`npm test -- src`, `npm test -- -t oras`),
# and only the tools that the chosen tests ask for are fetched. The last line is "N passed, N failed"; a skipped test and
# one that is still to be written count as failed, and so does a run that ends without a summary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# For tests that bound their own time nowhere else. A setting in bunfig.toml has no effect, Bun's default is 5 s.
default_timeout_ms=120000

# What the tests start or write lies in one folder, so that nothing is left of an interrupted run either.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/marina-tests.XXXXXX")
export TMPDIR
tests=
cleanup() {
  if [[ -n $tests ]] && kill -TERM -- "-$tests" 2>/dev/null; then
    for _ in {1..50}; do
      kill -0 -- "-$tests" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$tests" 2>/dev/null || true
  fi
  rm -rf "$TMPDIR"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ $# -eq 0 ]]; then
  # Before the first test, so that no test's deadline has to hold a download. A test may use only what is named here.
  scripts/tools/ensure.sh conformance skopeo podman buildah runc oras crane regctl docker dockerd strace ip redis-server redis-sentinel haproxy minio versitygw registry \
    >/dev/null
  set -- ./src ./test ./workers ./scripts
fi

[[ ! -t 1 ]] || export FORCE_COLOR=1
log=$TMPDIR/bun-test.log
touch "$log"
# A process group of its own, in the background: a signal to this script is acted on at once, and reaches every process
# that the tests started. --no-orphans does the same when this script is killed without a chance to do so.
set -m
node_modules/.bin/bun test --no-orphans --timeout "$default_timeout_ms" "$@" </dev/null >"$log" 2>&1 &
tests=$!
set +m
tail -n +1 --sleep-interval=0.1 --pid="$tests" -f "$log" &
tail=$!
status=0
wait "$tests" || status=$?
wait "$tail"

# The last "  12 pass" line of each kind: Bun writes its summary at the very end.
plain=$(tr -d '\000' <"$log" | sed 's/\x1b\[[0-9;]*m//g')
count() {
  local line
  line=$(grep -E "^ *[0-9]+ $1\$" <<<"$plain" | tail -n 1) || true
  line=${line% *}
  echo "$((line))"
}
passed=$(count pass)
failed=$(count fail)
unfinished=$(($(count skip) + $(count todo)))
if ((unfinished > 0)); then
  echo "$unfinished tests were skipped or are still to be written: each counts as failed"
  failed=$((failed + unfinished))
fi
if ! grep -qE '^Ran [0-9]+ tests? across' <<<"$plain" || ((passed + failed == 0)); then
  echo "bun test ended (status $status) before its summary, or found no test"
  failed=$((failed + 1))
elif ((status != 0 && failed == 0)); then
  echo "bun test ended with status $status though no test failed: an error between tests, see above"
  failed=1
fi
# Again at the end, where who sees only the end of a long output looks: each failure's file, which Bun does not name ("(unnamed)"
# is a hook), and what was printed before it. Errors between tests likewise.
if ((failed > 0)); then
  awk '/^[^ ]+\.test\.ts:$/ { file = $0; held = ""; next }
       /^\(pass\)/ { held = ""; next }
       { held = held $0 "\n" }
       /^# Unhandled error/ { held = $0 "\n"; dashes = 2; next }
       /^-+$/ && dashes > 0 && --dashes == 0 || /^\(fail\)/ {
         printf "\n%s\n%s", file, substr(held, length(held) > 4000 ? length(held) - 4000 : 1)
         held = ""
       }
       /tests? failed:$/ { exit }' <<<"$plain"
fi
echo "$passed passed, $failed failed"
((failed == 0))
