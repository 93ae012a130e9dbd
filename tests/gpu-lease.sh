# tests/gpu.sh --lease: the steps for a GPU that is there for minutes, those that tell most
# first. Each has its own time limit, and is left out if too little of the time is left.
# Sourced by it. docs/gpu-first-run.md says what each figure decides.
# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later

LEASE=${LEASE:-540}
reserve=10                      # seconds for the table and the last logs
deadline=$((SECONDS + LEASE))

# name, seconds that it takes at least, and at most
steps="
load 5 45
kernels 5 60
tiny 10 45
parity 20 90
bench 40 180
profile 15 50
memcheck 15 60
racecheck 30 120
initcheck 30 120"

# Logs are kept in a folder of their own, which is packed into RESULTS.
outbox=$results results=$(mktemp -d)
# choices of one step are another's too
export XDG_CACHE_HOME=$results/cache

tabulate () {
  printf '%s\n' "${rows[@]}" >"$outbox/table.txt"
}

# bring: the table so far, and logs and cache as one archive, in pieces if it is large
bring () {
  tabulate
  "$python" - "$results" "$outbox" <<'EOF'
import glob, io, os, sys, tarfile
results, outbox = sys.argv[1:]
PIECE, MOST = 15 << 20, 7
def wanted(entry):
    return None if entry.name.endswith("/registry.bin") else entry
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w:gz") as archive:
    archive.add(results, "lease", filter=wanted)
for old in glob.glob(os.path.join(outbox, "logs.tar.gz*")):
    os.remove(old)
data = data.getvalue()
pieces = [data[i:i + PIECE] for i in range(0, len(data), PIECE)]
if len(pieces) > MOST:
    print("The logs have %d MiB: the last %d pieces are left out" % (len(data) >> 20, len(pieces) - MOST))
for i, piece in enumerate(pieces[:MOST]):
    name = "logs.tar.gz" + (".%d" % i if len(pieces) > 1 else "")
    with open(os.path.join(outbox, name), "wb") as file:
        file.write(piece)
EOF
}

run_lease () {
  local step least most left begun
  while read -r step least most; do
    case " $parts " in *" ${step:-none} "*) ;; *) continue ;; esac
    left=$((LEASE - reserve - SECONDS))
    most=$(LC_ALL=C awk -v s="$most" -v f="${CNN3D_TEST_TIME_FACTOR:-1}" \
      'BEGIN { printf "%d", (f > 1 ? s * f : s) }')
    if [ "$left" -lt "$least" ]; then
      skip "$step" "$((left > 0 ? left : 0)) s are left, and it takes $least"
      continue
    elif [ "$opened" = no ] && [ "$step" != kernels ]; then
      skip "$step" "the back end does not run: see opens.log"
      continue
    fi
    [ "$most" -le "$left" ] || most=$left
    begun=$SECONDS deadline=$((SECONDS + most))
    printf '\n== %s (at %s s, for at most %s)\n' "$step" "$SECONDS" "$most"
    "lease_$step" </dev/null
    row "$step: its time" "$((SECONDS - begun)) s" "<= $most s" measured
    bring
  done <<<"$steps"
}

opened=
lease_load () {
  if opens; then
    row "load: a step on $device" "it runs" - pass
  else
    opened=no
    tail -n 5 "$results/opens.log"
    row "load: a step on $device" - - "fail (see opens.log)"
  fi
}

# kernels_of FILE: its tests. One that fails ends the program, so the rest is run again.
kernels_of () {
  local log=$results/kernels-$1.log paths path left
  "$kernels" "$1" -l >"$log" 2>&1
  mapfile -t paths < <(grep '^/' "$log")
  while [ ${#paths[@]} -gt 0 ]; do
    left=()
    for path in "${paths[@]}"; do
      left+=(-p "$path")
    done
    timeout "$(limit 60)" "$kernels" "$1" "${left[@]}" >"$log.now" 2>&1
    cat "$log.now" >>"$log"
    left=()
    for path in "${paths[@]}"; do
      grep -qE "^ok [0-9]+ $path\$" "$log.now" || left+=("$path")
    done
    if [ ${#left[@]} -gt 0 ]; then
      # they run in order
      echo "FAILED ${left[0]}" >>"$log"
      [ "$(limit 60)" -gt 1 ] || break
    fi
    paths=("${left[@]:1}")
  done
  rm -f "$log.now"
}

lease_kernels () {
  local files file log good bad
  if [ ! -x "$kernels" ]; then
    skip kernels "there is no gpu-kernels: it was built without nvcc"
    return
  fi
  files=$("$kernels")
  [ -z "$try" ] || files=kernels_weights
  for file in $files; do
    kernels_of "$file" &
  done
  wait
  for file in $files; do
    log=$results/kernels-$file.log
    if grep -q '^1\.\.0 # SKIP' "$log"; then
      skip "$file" "$(sed -n 's/^1\.\.0 # SKIP //p' "$log" | head -n 1)"
      continue
    fi
    good=$(grep -c '^ok ' "$log") bad=$(grep -c '^FAILED ' "$log")
    if [ "$bad" = 0 ] && [ "$good" -gt 0 ]; then
      row "$file" "$good tests" "all" pass
    else
      row "$file" "$good tests" "all" "fail (see kernels-$file.log)"
      grep -E '^(FAILED|Bail out)' "$log"
      while read -r _ file; do
        row "  $file" - - fail
      done < <(grep '^FAILED ' "$log")
    fi
  done
}

# tiny_loss FUSION: after some steps; empty: it failed
tiny_loss () {
  local log=$results/tiny-$1.log steps=6
  [ -z "$try" ] || steps=2
  CNN3D_CUDA_FUSION=$1 timeout "$(limit 60)" "$trainer" --serve --device "$device" "${tiny[@]}" \
    <<<$steps >"$log" 2>&1 || return
  sed -nE 's/^[0-9.]+ loss ([0-9.]+) .*/\1/p' "$log"
}

lease_tiny () {
  local kind loss first=''
  for kind in never always; do
    loss=$(tiny_loss $kind)
    if [ -z "$loss" ]; then
      tail -n 5 "$results/tiny-$kind.log"
      row "tiny training, fusion $kind: loss" - - "fail (see tiny-$kind.log)"
      continue
    fi
    row "tiny training, fusion $kind: loss" "$loss" - measured
    if [ -n "$first" ]; then
      judge "tiny training: its losses differ by" \
        "$(awk "BEGIN { d = $loss / $first - 1; printf \"%.2f\", 100 * (d < 0 ? -d : d) }")" most 2 " %"
    fi
    first=$loss
  done
}

lease_parity () {
  parity --steps 20 r3d_18 slow_r50
}

lease_bench () {
  # compiling takes half a minute
  bench_options=(--rounds 3 --seconds $(($(limit 180) > 60 ? $(limit 180) - 60 : 1)))
  [ -z "$try" ] || bench_options=()
  bench_one r3d_18 32 16 112 1.5
}

# What is measured of each kernel: names that a GPU does not know make ncu give up, so
# the second try is for times alone.
times=gpu__time_duration.sum,launch__registers_per_thread,launch__grid_size,launch__block_size
metrics=$times,dram__bytes_read.sum,dram__bytes_write.sum,lts__t_bytes.sum
metrics+=,sm__inst_executed_pipe_tensor.sum,sm__warps_active.avg.pct_of_peak_sustained_active

lease_profile () {
  local kind n=0 status sizes=(--model r3d_18 --batch 32 --precision "$precision" --lr 0.001 --no-deterministic)
  [ -z "$try" ] || sizes=("${tiny[@]}")
  if ! command -v ncu >/dev/null; then
    skip profile "ncu is not installed"
    return
  fi
  for kind in "$metrics" "$times"; do
    status=0
    LD_LIBRARY_PATH=$libraries timeout "$(limit 60)" ncu --clock-control none --graph-profiling node --csv --page raw \
      --metrics "$kind" --log-file "$results/profile.csv" "$program" "${sizes[@]}" --device "$device" --serve \
      <<<1 >>"$results/profile.log" 2>&1 || status=$?
    n=$(grep -c '^"[0-9]' "$results/profile.csv" 2>/dev/null)
    if [ "${n:-0}" != 0 ]; then
      row "profile: kernels of a step" "$n" - "measured (exit status $status)"
      return
    fi
    cat "$results/profile.csv" >>"$results/profile.log" 2>/dev/null
  done
  tail -n 5 "$results/profile.log"
  row "profile: kernels of a step" "exit status $status" - "fail (see profile.log)"
}

lease_memcheck () {
  sanitize memcheck
}

lease_racecheck () {
  sanitize racecheck
}

lease_initcheck () {
  sanitize initcheck
}
