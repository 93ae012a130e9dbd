#!/usr/bin/env bash
# Builds and tests everything; ends with the line "N passed, N failed".
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/run.sh                    all parts
#   tests/run.sh unit elements      some of: unit long elements pipelines parity
#                                   sanitizers fuzz threads
#   tests/run.sh fuzz SECONDS       tests/fuzz for so many seconds a target (3)
#
# long has the unit tests that take minutes and rarely fail: they do not run under
# the sanitizers. fuzz needs clang's libFuzzer, and is skipped if it is not available.
# threads does not run by default: it builds again, with the thread sanitizer.
#
# BUILD (build), BUILD_ASAN (BUILD-asan), BUILD_FUZZ (BUILD-fuzz) and BUILD_TSAN
# (BUILD-tsan) are the build folders. A pipeline test is an executable
# tests/pipelines/*.sh or *.py that prints TAP; its environment has CNN3D_BUILD,
# CNN3D_DEMO (the demonstration set, made once), CNN3D_PYTHON (a Python with the
# packages of tests/python-packages.sh, if they are available) and GST_PLUGIN_PATH.
# A parity test is an executable tests/parity/*.py; its argument is the program that
# it runs.
#
# Time limits only guard against hanging. All of them are multiplied by
# CNN3D_TEST_TIME_FACTOR, which is measured at the start unless it is set.
set -uo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

all="unit long elements pipelines parity sanitizers fuzz"
parts='' fuzz_seconds=3
for part in "$@"; do
  case $part in
    [1-9]*) fuzz_seconds=$part ;;
    *) parts=${parts:+$parts }$part ;;
  esac
done
parts=${parts:-$all}
for part in $parts; do
  case " $all threads " in
    *" $part "*) ;;
    *) echo "run.sh: no part is called '$part'; there are: $all threads" >&2
       exit 2 ;;
  esac
done

build=$(realpath -m "${BUILD:-build}")
build_asan=$(realpath -m "${BUILD_ASAN:-$build-asan}")
build_fuzz=$(realpath -m "${BUILD_FUZZ:-$build-fuzz}")
build_tsan=$(realpath -m "${BUILD_TSAN:-$build-tsan}")
results=$build/test-results

# Debian's python3-torch belongs to Debian's own python3
python=/usr/bin/python3
[ -x $python ] || python=python3

# With -O2 and all of -g, GCC compiles sanitized code for twice as long
quick_to_compile=(-Doptimization=1 -Ddebug=false -Dc_args=-g1 -Dcpp_args=-g1)

give_up () {
  echo "run.sh: $*" >&2
  echo "0 passed, 1 failed"
  exit 1
}

part_starts () {
  printf '\n== %s (%s s)\n' "$1" "$SECONDS"
}

# build_in FOLDER [SETUP-OPTION...]
build_in () {
  local folder=$1
  shift
  [ -f "$folder/build.ninja" ] || meson setup "$folder" -Dtests=enabled "$@" \
    || give_up "cannot set up $folder"
  ninja -C "$folder" || give_up "cannot build $folder"
}

# meson_part PART FOLDER PROCESSES SUITE...: what meson logs becomes the part's result
meson_part () {
  local part=$1 folder=$2 processes=$3 suites=()
  shift 3
  for suite in "$@"; do
    suites+=(--suite "$suite")
  done
  rm -f "$folder/meson-logs/testlog-$part.json"
  meson test -C "$folder" --no-rebuild --num-processes "$processes" \
    --timeout-multiplier "$CNN3D_TEST_TIME_FACTOR" \
    --logbase "testlog-$part" "${suites[@]}"
  [ -s "$folder/meson-logs/testlog-$part.json" ] || return 0
  cp "$folder/meson-logs/testlog-$part.json" "$results/$part.json"
}

# tap_test PART FILE COMMAND...: in a shell of its own, whose times are the test's
tap_test () (
  out=$results/$1.$(basename "$2").tap start=$SECONDS status=0
  shift 2
  XDG_CACHE_HOME=$build/tests/cache \
    timeout --kill-after=10 $limit "$@" >"$out" 2>&1 || status=$?
  echo $status >"$out.rc"
  times >"$out.cpu"
  echo "$(basename "$out" .tap): exit status $status, $((SECONDS - start)) s," \
    "CPU $(tail -n 1 "$out.cpu")"
)

case " $parts " in
  *" parity "* | *" pipelines "*) groups="build test" ;;
  *) groups=build ;;
esac
sh pipelines/packages.sh $groups || give_up "packages are missing"
case " $parts " in
  *" fuzz "*) sh pipelines/packages.sh fuzz || echo "run.sh: without clang" >&2 ;;
esac

# A slow or busy machine gets longer time limits
export CNN3D_TEST_TIME_FACTOR=${CNN3D_TEST_TIME_FACTOR:-$("$python" \
  tests/time-factor.py)}
# time limit of a pipeline or parity test, in seconds
limit=$(LC_ALL=C awk -v f="$CNN3D_TEST_TIME_FACTOR" \
  'BEGIN { if (f + 0 < 1) exit 1; printf "%d", 1800 * f }') \
  || give_up "CNN3D_TEST_TIME_FACTOR is '$CNN3D_TEST_TIME_FACTOR'," \
    "not a number of at least 1"
echo "time limits are multiplied by $CNN3D_TEST_TIME_FACTOR"

mkdir -p "$results" && rm -f "$results"/*.json "$results"/*.tap "$results"/*.tap.*
# tests start with an empty cache, as on a new machine
rm -rf "$build/tests/cache" "$build_asan/tests/cache" "$build_tsan/tests/cache"
case $parts in
  sanitizers | threads) ;;
  *)
    # downloads while the compiler computes
    if [ "$groups" != build ]; then
      tests/python-packages.sh "$build/python" >"$results/python-packages" 2>&1 </dev/null &
    fi
    part_starts build
    # the kernels have two ways to compute, before sm_80 and from there on
    build_in "$build" -Dcuda-architectures=75,90,120
    ;;
esac

# Shared by the tests outside of meson; each of meson's has its own registry
export CNN3D_BUILD=$build CNN3D_DEMO=$build/demo
export GST_REGISTRY=$build/tests/registry-run.bin
unset GST_PLUGIN_SYSTEM_PATH GST_PLUGIN_SYSTEM_PATH_1_0 GST_PLUGIN_PATH_1_0

export CNN3D_PYTHON=$python
if [ "$groups" != build ]; then
  part_starts "Python's packages"
  wait "$!" && CNN3D_PYTHON=$build/python/bin/python
  cat "$results/python-packages"
fi

declare -A seen=()
for part in $parts; do
  part_starts "$part"
  case $part in
    unit | long | elements)
      [ -z "${seen[meson]:-}" ] || continue
      seen[meson]=yes
      suites=()
      for suite in unit long elements; do
        case " $parts " in
          *" $suite "*) suites+=("$suite") ;;
        esac
      done
      # together, three tests at a time: some wait more than they compute
      meson_part tests "$build" 3 "${suites[@]}"
      ;;
    sanitizers)
      # without kernels for a GPU: tests run them on the CPU
      build_in "$build_asan" -Db_sanitize=address,undefined -Db_lundef=false \
        "${quick_to_compile[@]}" -Dcuda-architectures=
      # other parts have compared oneDNN's convolutions, which takes long in sanitized code
      mkdir -p "$build_asan/tests/cache/cnn3d"
      cp "$build"/tests/cache/cnn3d/convolutions-cpu-*.tsv "$build_asan/tests/cache/cnn3d" 2>/dev/null
      # GLib and GStreamer keep some memory to the end: GStreamer's tracer looks for leaked objects
      ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
      UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
      GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7,leaks:5 GST_DEBUG_NO_COLOR=1 \
        meson_part "$part" "$build_asan" 3 unit elements
      ;;
    threads)
      build_in "$build_tsan" -Dcuda=disabled -Db_sanitize=thread -Db_lundef=false
      # GStreamer, GLib, oneDNN and OpenMP are built without it, so that it does not
      # see how GLib's slices move between threads
      TSAN_OPTIONS=ignore_noninstrumented_modules=1:allocator_may_return_null=1 \
      G_SLICE=always-malloc OMP_NUM_THREADS=2 \
        meson_part "$part" "$build_tsan" 2 unit elements
      ;;
    fuzz)
      if ! echo 'int LLVMFuzzerTestOneInput (void) { return 0; }' \
        | clang -fsanitize=fuzzer,address,undefined -x c -o "$results/fuzzer" -; then
        echo "1..0 # SKIP clang has no libFuzzer" >"$results/fuzz.libfuzzer.tap"
        echo 0 >"$results/fuzz.libfuzzer.tap.rc"
        continue
      fi
      if [ ! -f "$build_fuzz/build.ninja" ]; then
        CC=clang meson setup "$build_fuzz" -Dtests=enabled -Dlibfuzzer=true -Dcpu=disabled \
          -Dcuda-architectures= \
          -Db_sanitize=address,undefined -Db_lundef=false "${quick_to_compile[@]}" \
          || give_up "cannot set up $build_fuzz"
      fi
      # optimized code takes longer to compile than it saves in a few seconds
      meson configure "$build_fuzz" -Doptimization=$((fuzz_seconds > 10)) \
        || give_up "cannot set up $build_fuzz"
      ninja -C "$build_fuzz" fuzz || give_up "cannot build $build_fuzz"
      # there are fewer than 40 targets, and two run at a time
      limit=$((limit + 20 * fuzz_seconds)) CNN3D_BACKEND_PATH=$build/src/backend/cpu \
        tap_test "$part" libfuzzer tests/fuzz/run.sh "$build_fuzz" "$fuzz_seconds"
      ;;
    pipelines | parity)
      [ -z "${seen[pipelines]:-}" ] || continue
      seen[pipelines]=yes
      case " $parts " in
        *" pipelines "*) "$build/pipelines/demo/make-demo-videos" "$CNN3D_DEMO" \
          || give_up "cannot make the demonstration set" ;;
      esac
      # Both parts together, four tests at a time, as they wait for a third of their time,
      # the longest first. Waiting threads must not spin, as other tests need the cores
      export OMP_WAIT_POLICY=passive
      for file in tests/pipelines/{learns,keypoints-learn}.py tests/parity/{parity,memory}.py \
        tests/pipelines/{frames,install,plan,gpu-script,docs}.py tests/parity/*.py \
        tests/pipelines/*.sh tests/pipelines/*.py; do
        { [ -x "$file" ] && [ -z "${seen[$file]:-}" ]; } || continue
        seen[$file]=yes
        of=$(basename "$(dirname "$file")") command=("$file")
        case " $parts " in
          *" $of "*) ;;
          *) continue ;;
        esac
        [ "$of" != parity ] || command=("$python" "$file" "$build/tests/parity/trainer-tool")
        [ "$(jobs -pr | wc -l)" -lt 4 ] || wait -n
        GST_PLUGIN_PATH=$build/plugins tap_test "$of" "$file" "${command[@]}" &
      done
      wait
      unset OMP_WAIT_POLICY
      ;;
  esac
done

part_starts results
shopt -s nullglob
"$python" tests/tap-summary.py "$results"/*.json "$results"/*.tap
