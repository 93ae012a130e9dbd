#!/usr/bin/env bash
# All GPU tests in one go: parity with PyTorch, compute-sanitizer, a step's time and
# memory compared with PyTorch, learning the demonstration set, two ranks. Needs no network;
# parts that cannot run are skipped, and the table at the end gives the reason.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/gpu.sh                      build into ./build-gpu, then all parts
#   tests/gpu.sh --bundle FOLDER      with a bundle built elsewhere and unpacked
#                                     there, for a machine without GStreamer
#   tests/gpu.sh --pack OUT.tar.xz    make such a bundle of BUILD (build), on a
#                                     machine that has GStreamer
#   tests/gpu.sh --lease              what one learns most from in 9 minutes (SECONDS
#                                     in LEASE), in steps with their own time limits
#   tests/gpu.sh --only PART[,PART]   some of: parity sanitizer bench demo ranks;
#                                     of --lease: load kernels tiny parity bench
#                                     profile memcheck racecheck initcheck
#   tests/gpu.sh --try                the same commands on the CPU with tiny sizes,
#                                     to test the script itself; TRY_DEVICE=cuda:
#                                     not on the CPU
#
# PYTHON is a Python with PyTorch, RESULTS the folder for logs (a new one; of
# --lease: at most 8 files of at most 16 MiB, up to date behind each step),
# CNN3D_BUILD a complete build folder, CNN3D_DEMO the demonstration set.
# --pack calls $GST_BUNDLE OUT.tar.xz FILE... if it is set, which packs GStreamer
# with the files. GST_BUNDLE_PLUGINS lists additional plugins for it.
# Exit status 0: nothing failed.
set -uo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
all="parity sanitizer bench demo ranks"
bundle='' out='' only='' parts='' lease='' try=''

usage () {
  sed -n '/^#   tests/,/^# Exit/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

complain () {
  echo "gpu.sh: $*" >&2
}

while [ $# -gt 0 ]; do
  case $1 in
    --bundle) bundle=${2:-}; [ -d "$bundle" ] || usage; bundle=$(realpath "$bundle"); shift ;;
    --pack) out=${2:-}; [ -n "$out" ] || usage; out=$(realpath -m "$out"); shift ;;
    --only) only=yes parts=$(tr , ' ' <<<"${2:-}"); shift ;;
    --lease) lease=yes all="load kernels tiny parity bench profile memcheck racecheck initcheck" ;;
    --try) try=yes ;;
    *) usage ;;
  esac
  shift
done
[ -n "$only" ] || parts=$all
[ -n "${parts// /}" ] || usage
for part in $parts; do
  case " $all " in
    *" $part "*) ;;
    *) complain "no part is called '$part'; there are: $all"; exit 2 ;;
  esac
done

if [ -n "$out" ]; then
  # shellcheck source=tests/gpu-pack.sh
  . "$top/tests/gpu-pack.sh"
  pack
  exit
fi

# --- the table ---

rows=() failed=0

# row WHAT FIGURE BOUND RESULT
row () {
  rows+=("$(printf '%-52s  %-24s  %-16s  %s' "$@")")
  case $4 in fail*) failed=1 ;; esac
}

# judge WHAT FIGURE least|most BOUND [UNIT]: by number
judge () {
  local result word='>='
  [ "$3" = least ] || word='<='
  result=$(awk -v f="$2" -v b="$4" -v k="$3" \
    'BEGIN { print (f != "" && (k == "least" ? f >= b : f <= b)) ? "pass" : "fail" }')
  [ -z "$try" ] || result="ran (--try: the figure means nothing)"
  row "$1" "$2${5:-}" "$word $4${5:-}" "$result"
}

skip () {
  row "$1" - - "skipped ($2)"
}

finish () {
  printf '\n%-52s  %-24s  %-16s  %s\n' what figure bound result
  printf '%s\n' "${rows[@]}"
  printf '\n'
  [ -z "$lease" ] || [ -z "${outbox:-}" ] || tabulate
  [ -z "${results:-}" ] || echo "Logs: ${outbox:-$results}"
  if [ $failed = 0 ]; then echo "Nothing failed."; else echo "Something failed."; fi
  exit $failed
}

# field FILE KEY: of the JSON in the last line; empty if it is missing
field () {
  "$python" -c 'import json, sys
value = json.loads(open(sys.argv[1]).read().splitlines()[-1])
for key in sys.argv[2].split("/"):
    value = value.get(key, {}) if isinstance(value, dict) else {}
print("" if value == {} else value)' "$1" "$2" 2>/dev/null
}

# --- available tools ---

has_gpu () {
  nvidia-smi -L 2>/dev/null | grep -q GPU || [ -e /dev/nvidia0 ]
}

if [ -n "$try" ]; then
  device=${TRY_DEVICE:-cpu} precision=bf16-mixed
elif has_gpu; then
  device=cuda precision=16-mixed
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null
else
  for part in $parts; do
    skip "$part" "no NVIDIA GPU: neither nvidia-smi nor /dev/nvidia0 shows one"
  done
  finish
fi

# importing PyTorch takes seconds
modules='import numpy, torch'
case " $parts " in *" parity "* | *" bench "*) ;; *) modules='' ;; esac
python=
for candidate in ${PYTHON:+"$PYTHON"} python3 /usr/bin/python3; do
  if "$candidate" -c "$modules" 2>/dev/null; then
    python=$candidate
    break
  fi
done
torch=yes
if [ -z "$python" ]; then
  torch=
  python=${PYTHON:-python3}
fi

results=${RESULTS:-$(mktemp -d)}
mkdir -p "$results"
if [ -n "$lease" ]; then
  # shellcheck source=tests/gpu-lease.sh
  . "$top/tests/gpu-lease.sh"
fi

# cuDNN and the CUDA run time often come with PyTorch
for folder in $("$python" -c 'import nvidia, os
for base in nvidia.__path__:
    for name, _, files in os.walk(base):
        if any(f.startswith(("libcudnn.so", "libcudart.so", "libnvrtc.so", "libnccl.so")) for f in files):
            print(name)' 2>/dev/null) /usr/local/cuda/lib64; do
  [ ! -d "$folder" ] || LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}

# wrap NAME: a bundle's program with the bundle's libraries, which other programs
# must not use: this machine's Python has its own
wrap () {
  # quoted for the wrapper
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$bundle/bin/$1" >"$results/$1"
  chmod +x "$results/$1"
}

libraries=$LD_LIBRARY_PATH
if [ -n "$bundle" ]; then
  libraries=$bundle/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  wrap trainer-tool
  wrap gst-launch-1.0
  wrap make-demo-videos
  [ ! -e "$bundle/bin/gpu-kernels" ] || wrap gpu-kernels
  kernels=$results/gpu-kernels
  trainer=$results/trainer-tool program=$bundle/bin/trainer-tool
  launch=$results/gst-launch-1.0 maker=$results/make-demo-videos
  export CNN3D_BACKEND_PATH=$bundle/lib CNN3D_CONFIG_PATH=$bundle/cnn3d/configs
  export GST_PLUGIN_SYSTEM_PATH=$bundle/plugins GST_PLUGIN_PATH=
  export GST_PLUGIN_SCANNER=$bundle/bin/gst-plugin-scanner
else
  build=${CNN3D_BUILD:-$top/build-gpu}
  if [ -n "${CNN3D_BUILD:-}" ]; then
    :                           # already built
  elif ! command -v meson >/dev/null || ! command -v ninja >/dev/null \
    || ! pkg-config --exists gstreamer-1.0 glib-2.0 2>/dev/null; then
    for part in $parts; do
      skip "$part" "no meson, ninja or GStreamer to build with: bring a bundle"
    done
    finish
  elif ! { [ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Dtests=enabled; } \
    >"$results/build.log" 2>&1 || ! ninja -C "$build" >>"$results/build.log" 2>&1; then
    tail -n 30 "$results/build.log"
    row build - - "fail (see build.log)"
    finish
  fi
  trainer=$build/tests/parity/trainer-tool
  program=$trainer launch=gst-launch-1.0
  export GST_PLUGIN_PATH=$build/plugins
  maker=$build/pipelines/demo/make-demo-videos
  kernels=$build/tests/cuda/gpu-kernels
fi
demo=${CNN3D_DEMO:-$results/demo}
export GST_REGISTRY=$results/registry.bin GST_PRESET_PATH=$top/presets

# --- parts ---

# limit SECONDS: time limit of a part; longer if tests/run.sh found the machine slow.
# In --lease, what is left of the step's time.
limit () {
  if [ -n "$lease" ]; then
    echo $((deadline - SECONDS > 1 ? deadline - SECONDS : 1))
    return
  fi
  LC_ALL=C awk -v s="$1" -v f="${CNN3D_TEST_TIME_FACTOR:-1}" 'BEGIN { printf "%d", (f > 1 ? s * f : s) }'
}

# A tiny training
tiny=(--batch 2 --frames 4 --size 32 --base-width 16 --precision "$precision")
[ -z "$try" ] || tiny=(--batch 1 --frames 4 --size 32 --base-width 8 --precision "$precision")

# Can the back end open the device? Otherwise everything else would fail, too.
opens () {
  timeout "$(limit 300)" "$trainer" --device "$device" "${tiny[@]}" --steps 1 >"$results/opens.log" 2>&1
}

# verdict [NOT]: the result of a TAP line
verdict () {
  if [ -z "$1" ]; then echo pass; else echo fail; fi
}

# parity [OPTION...]: of parity.py
parity () {
  local log=$results/parity.log options=(--device "$device" "$@") status=0
  if [ -z "$torch" ]; then
    skip parity "no Python with numpy and PyTorch: set PYTHON"
    return
  fi
  [ -z "$try" ] || options=(--device "$device" --small --steps 2 r3d_18)
  timeout "$(limit 1800)" "$python" "$top/tests/parity/parity.py" "$trainer" "${options[@]}" \
    >"$log" 2>&1 || status=$?
  grep -E '^(not )?ok|^#' "$log"
  while IFS= read -r line; do
    # (not )ok N - NAME: WHAT FIGURE (bound BOUND)
    [[ $line =~ ^(not\ )?ok\ [0-9]+\ -\ (.*):\ .*\ ([^\ ]+)\ \(bound\ ([^\)]+)\)$ ]] || continue
    row "${BASH_REMATCH[2]% on *}${BASH_REMATCH[2]##* on "$device"}" "${BASH_REMATCH[3]}" \
      "<= ${BASH_REMATCH[4]}" "$(verdict "${BASH_REMATCH[1]}")"
  done <"$log"
  grep -q '^1\.\.[0-9]' "$log" \
    || row "parity: to its end" "exit status $status" 0 "fail (see parity.log)"
}

# sanitize KIND: one tiny training step; it must also end well, and with a loss
sanitize () {
  local log=$results/sanitizer-$1.log count status=0 options=(--tool "$1")
  if [ -n "$try" ] && [ "$device" = cpu ]; then
    skip "compute-sanitizer $1" "there is no GPU in --try"
    return
  elif ! command -v compute-sanitizer >/dev/null; then
    skip "compute-sanitizer $1" "compute-sanitizer is not installed"
    return
  fi
  # cuDNN asks for things that may fail
  [ "$1" != memcheck ] || options+=(--report-api-errors no)
  LD_LIBRARY_PATH=$libraries timeout "$(limit 900)" compute-sanitizer "${options[@]}" "$program" "${tiny[@]}" \
    --device "$device" --serve <<<1 >"$log" 2>&1 || status=$?
  count=$(grep -oE '(ERROR|RACECHECK) SUMMARY: [0-9]+' "$log" | grep -oE '[0-9]+$')
  if grep -q 'Device not supported' "$log"; then
    skip "compute-sanitizer $1" "it does not support this device"
  elif [ $status != 0 ] || ! grep -qE '^[0-9.]+ loss [0-9.]+ ' "$log"; then
    tail -n 5 "$log"
    row "compute-sanitizer $1, one training step" "exit status $status" 0 "fail (see $(basename "$log"))"
  else
    [ -n "$count" ] || tail -n 5 "$log"
    judge "compute-sanitizer $1, one training step" "$count" most 0 " errors"
  fi
}

sanitizer () {
  local kind
  for kind in memcheck racecheck initcheck; do
    sanitize $kind
  done
}

# bench_one MODEL BATCH FRAMES SIZE RATIO: time and memory compared with PyTorch
bench_one () {
  local log=$results/bench-$1.log what="$1 b$2 $3x$4x$4 $precision" grown planned reserved
  local sizes=(--model "$1" --batch "$2" --frames "$3" --size "$4")
  [ -z "$try" ] || sizes=(--model "$1" --batch 1 --frames 4 --size 32 --base-width 8 --rounds 1 --steps 1)
  if ! timeout "$(limit 1200)" "$python" "$top/tests/bench/gpu-step.py" "$trainer" --device "$device" \
    --precision "$precision" "${sizes[@]}" "${bench_options[@]}" >"$log" 2>&1; then
    tail -n 5 "$log"
    row "$what" - - "fail (see $(basename "$log"))"
    return
  fi
  grep -v '^{' "$log"
  row "$what" "$(printf '%.1f' "$(field "$log" clips-per-second)") clips/s" - "measured"
  if [ -n "$(field "$log" ratio)" ]; then
    judge "$what: times $(field "$log" best)" "$(printf '%.3f' "$(field "$log" ratio)")" least "$5"
  else
    skip "$what: beside PyTorch" "no PyTorch that runs there"
  fi
  grown=$(field "$log" grown) planned=$(field "$log" planned) reserved=$(field "$log" torch)
  if [ -z "$grown" ]; then
    skip "$what: memory" "no GPU whose used memory could be asked for"
    return
  fi
  judge "$what: |planned / grown - 1|, without context" \
    "$(awk "BEGIN { d = $planned / $grown - 1; printf \"%.2f\", 100 * (d < 0 ? -d : d) }")" most 2 " %"
  if [ -n "$reserved" ]; then
    # without recomputation both keep the same tensors: about 80 % by count
    row "$what: memory, of PyTorch's" \
      "$(awk "BEGIN { printf \"%.1f\", 100 * $planned / $reserved }") %" - "measured"
    judge "$what: the same, recompute=bn" \
      "$(awk "BEGIN { printf \"%.1f\", 100 * $(field "$log" planned-bn) / $reserved }")" most 60 " %"
  fi
}

bench_options=()
bench () {
  bench_one r3d_18 32 16 112 1.5
  bench_one slow_r50 16 8 224 1.3
}

# has_demo WHAT: makes the demonstration set if there is none; or skips
has_demo () {
  local few=()
  [ ! -f "$demo/train.csv" ] || return 0
  demo=$results/demo
  [ -z "$try" ] || few=(--train 10 --test 4)
  [ ! -f "$demo/train.csv" ] || return 0
  if ! "$maker" "${few[@]}" "$demo" >"$results/make-demo.log" 2>&1; then
    tail -n 3 "$results/make-demo.log"
    skip "$1" "the demonstration set cannot be made: see make-demo.log"
    return 1
  fi
}

demo () {
  local log=$results/demo.log line accuracy
  has_demo "demonstration set" || return
  line=$(sed -n "s/^line='gst-launch-1.0 \(.*\)'\$/\1/p" "$top/pipelines/quickstart.sh")
  line=${line//runs\/quickstart/$results/run}
  line="$launch ${line//=demo\//=$demo/} device=$device precision=$precision"
  [ -z "$try" ] || line=${line/epochs=16/epochs=2}
  timeout "$(limit 900)" bash -c "$line" </dev/null >"$log" 2>&1 || {
    tail -n 5 "$log"
    row "demonstration set" - - "fail (see demo.log)"
    return
  }
  accuracy=$(tr '\r' '\n' <"$log" | grep -o 'val-accuracy [0-9.]* %' | cut -d ' ' -f 2 | sort -g | tail -n 1)
  judge "demonstration set: validation accuracy" "$accuracy" least 95 " %"
}

# train_clips ACCUMULATE FOLDER: a few steps
train_clips () {
  local size=112 width=64 clips=32
  [ -z "$try" ] || size=16 width=4 clips=8
  timeout "$(limit 300)" "$launch" clipsrc "location=$demo/train.csv" "limit-clips=$clips" epochs=2 seed=3 \
    clip-bin="clipsample num-frames=4 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=$size,height=$size" \
    ! clipbatch batch-size=2 ! queue ! cnn3dtrain "base-width=$width" device=cuda "precision=$precision" benchmark=false seed=3 \
    optimizer=adamw lr=0.001 gradient-clip-val=1 "accumulate-grad-batches=$1" "checkpoint-dir=$2" distributed-timeout=60 \
    progress=false </dev/null
}

# Two ranks over NCCL: on two GPUs, or on one where NCCL allows that
ranks () {
  local what="2 ranks over NCCL: bits of 1 that accumulates" port=$((20000 + RANDOM % 20000)) pids=() status=0 r
  if [ -n "$try" ] && [ "$device" = cpu ]; then
    skip "$what" "there is no GPU in --try"
    return
  fi
  has_demo "$what" || return
  if ! train_clips 2 "$results/rank-alone" >"$results/rank-alone.log" 2>&1; then
    tail -n 3 "$results/rank-alone.log"
    row "$what" - - "fail (see rank-alone.log)"
    return
  fi
  for r in 0 1; do
    RANK=$r WORLD_SIZE=2 LOCAL_RANK=$r MASTER_ADDR=localhost MASTER_PORT=$port NCCL_MULTI_RANK_GPU_ENABLE=1 \
      train_clips 1 "$results/rank-both" >"$results/rank-$r.log" 2>&1 &
    pids+=($!)
  done
  for r in 0 1; do
    wait "${pids[$r]}" || status=$?
  done
  if grep -q 'NCCL 2 cannot be loaded' "$results"/rank-[01].log; then
    skip "$what" "there is no libnccl.so.2"
  elif grep -qiE 'duplicate GPU|same GPU/Partition' "$results"/rank-[01].log; then
    skip "$what" "this NCCL allows no two ranks on one GPU"
  elif [ $status != 0 ]; then
    tail -n 3 "$results"/rank-[01].log
    row "$what" "exit status $status" 0 "fail (see rank-0.log)"
  elif cmp "$results/rank-alone/last.safetensors" "$results/rank-both/last.safetensors"; then
    row "$what" "the same" - pass
  else
    row "$what" "others" - "fail"
  fi
}

if [ -n "$lease" ]; then
  run_lease
  finish
fi
if ! opens; then
  tail -n 3 "$results/opens.log"
  row "a step on $device" - - "fail (see opens.log)"
  finish
fi
for part in $parts; do
  printf '\n== %s (%s s)\n' "$part" "$SECONDS"
  case $part in
    parity) parity ;;
    sanitizer) sanitizer ;;
    bench) bench ;;
    demo) demo ;;
    ranks) ranks ;;
  esac
done
finish
