#!/usr/bin/env bash
# Fuzzes the readers of untrusted files with libFuzzer; prints TAP.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/fuzz/run.sh BUILD SECONDS [TARGET...]
#
# BUILD was set up by clang with -Dlibfuzzer=true (tests/run.sh fuzz does that),
# and each target, or each of those named, runs for so many seconds, two at a
# time. Up to 10 seconds have the same seed each time, so that a suite in a new
# folder fails for a change rather than by chance; longer ones have another each
# time. Inputs that reach something new are kept in BUILD/fuzz/corpus from run to run, without what
# others reach, too; those that show a defect are BUILD/fuzz/findings/TARGET-*:
# `BUILD/tests/fuzz/fuzz-TARGET FILE` runs one again. A mended defect's input goes
# to tests/fuzz/corpus/TARGET.
#
# CNN3D_BACKEND_PATH is a folder with libcnn3d-cpu.so, which target checkpoint
# needs and clang does not compile; the target is skipped without it.
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
[ $# -ge 2 ] || { echo "run.sh: give the build folder and the seconds; see --help" >&2; exit 2; }
build=$(realpath "$1") seconds=$2
shift 2
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
[ $# -gt 0 ] || set -- $(cd "$here/corpus" && echo *)

# 0: by chance
seed=$((seconds > 10 ? 0 : 1))
# Limits of an input: MiB, bytes, and seconds on a fast machine, as in tests/limits.h
seconds_limit=$(LC_ALL=C awk -v f="${CNN3D_TEST_TIME_FACTOR:-1}" \
  'BEGIN { printf "%d", 5 * (f > 1 ? f : 1) }')
limits=(-rss_limit_mb=1024 -malloc_limit_mb=128 -max_len=65536 "-timeout=$seconds_limit")

# a cache of freed memory would hide uses after free, and leaks
export G_SLICE=always-malloc
export ASAN_OPTIONS=quarantine_size_mb=32:allocator_may_return_null=1:detect_leaks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TMPDIR
TMPDIR=$(mktemp -d --tmpdir="$([ ! -w /dev/shm ] || echo /dev/shm)")
trap 'rm -rf "$TMPDIR"' EXIT

fuzz () {
  local target=$1 corpus=$build/fuzz/corpus/$1 log=$build/fuzz/$1.log words=() count
  local program=$build/tests/fuzz/fuzz-$1
  if [ ! -x "$program" ]; then
    echo "ok $n - $target # SKIP not built"
    return
  fi
  if [ "$target" = checkpoint ] && [ ! -e "${CNN3D_BACKEND_PATH:-}/libcnn3d-cpu.so" ]; then
    echo "ok $n - $target # SKIP there is no CPU back end"
    return
  fi
  [ ! -e "$here/$target.dict" ] || words=(-dict="$here/$target.dict")
  mkdir -p "$corpus"
  if ! "$program" "${limits[@]}" "${words[@]}" -seed=$seed -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$build/fuzz/findings/$target-" "$corpus" "$here/corpus/$target" \
    >"$log" 2>&1 </dev/null; then
    grep -a -m 8 -A 12 -E '^==|runtime error|^SUMMARY|^[a-z][a-z ]*: ' "$log" | tail -n 30 | cut -c1-200 \
      | sed 's/^/# /'
    echo "not ok $n - $target: see $log"
    return
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "ok $n - $target: $count inputs, $(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 | cut -c6-) edges"
  minimise "$target" "$program" "$corpus"
}

# Keeps only inputs with coverage that the files in tests/fuzz/corpus do not have.
minimise () {
  rm -rf "$3.new"
  mkdir "$3.new"
  if "$2" "${limits[@]}" -merge=1 "$3.new" "$here/corpus/$1" "$3" >/dev/null 2>&1 </dev/null; then
    rm -rf "$3"
    mv "$3.new" "$3"
  fi
  rm -rf "$3.new"
}

mkdir -p "$build/fuzz/findings"
echo "1..$#"
n=0
for target in "$@"; do
  n=$((n + 1))
  [ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
  fuzz "$target" >"$TMPDIR/result-$n" &
done
wait
for n in $(seq $#); do
  cat "$TMPDIR/result-$n"
done
! grep -q '^not ok' "$TMPDIR"/result-*
