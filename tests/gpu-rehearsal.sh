#!/usr/bin/env bash
# Rehearses the lines of docs/gpu-first-run.md with a bundle on a machine without a GPU:
# the back end runs on the doubles of tests/cuda, and nvidia-smi, ncu and
# compute-sanitizer are stubs.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/gpu-rehearsal.sh BUNDLE.tar.xz [--system SYSTEM.tar] [STEP[,STEP]]
#
# --system: in a bare system, into which only Python is installed: a Debian as
# tests/distro.sh leaves it in its folder. Needs root. CNN3D_BUILD (build) is where the
# doubles were built; RESULTS gets the results (a new folder).
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "${CNN3D_BUILD:-$top/build}")
bundle='' system='' steps=''

while [ $# -gt 0 ]; do
  case $1 in
    --system) system=$(realpath "${2:-}"); shift ;;
    *.tar.xz) bundle=$(realpath "$1") ;;
    *) steps=$1 ;;
  esac
  shift
done
[ -n "$bundle" ] || { sed -n '/^#   tests/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root home=$work/root/root
if [ -n "$system" ]; then
  mkdir -p "$root" "$work/archives"
  tar -C "$root" -xf "$system"
  home_there=/root
else
  home_there=$home
fi
mkdir -p "$home/stubs" "$home/nvidia/cudnn/lib"
cp "$bundle" "$home/gpu.tar.xz"

# as pip lays it out
cp "$build/tests/cuda/doubles/cudnn-double.so" "$home/nvidia/cudnn/lib/libcudnn.so.9"
cp "$build/tests/cuda/backend/libcnn3d-cuda.so" "$build/tests/cuda/rehearsed-kernels" "$home"

# The memory in use grows whenever somebody asks.
cat >"$home/stubs/nvidia-smi" <<'EOF'
#!/bin/sh
case "$*" in
  *memory.used*) echo x >>"$0.calls"; expr 100 \* "$(wc -l <"$0.calls")" ;;
  *) echo 'GPU 0: none' ;;
esac
EOF
# ncu OPTION... PROGRAM OPTION...: one kernel
cat >"$home/stubs/ncu" <<'EOF'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do
  case $1 in
    --log-file) log=$2; shift ;;
    --csv) ;;
    *) shift ;;
  esac
  shift
done
"$@" || exit
printf '"ID","Kernel Name"\n"0","apply"\n' >"$log"
EOF
cat >"$home/stubs/compute-sanitizer" <<'EOF'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do
  shift 2
done
"$@"
status=$?
echo '========= ERROR SUMMARY: 0 errors'
exit $status
EOF
chmod +x "$home/stubs/"*

# what is typed there, and between its lines the doubles in place of what needs a GPU
there () {
  sed -n "s/^    \($1 .*\)/\1/p" "$top/docs/gpu-first-run.md" | grep .
}
unpack=$(there python3) run=$(there bash)
cat >"$home/rehearse.sh" <<EOF
set -eu
cd $home_there
$unpack
mv libcnn3d-cuda.so b/lib/libcnn3d-cuda.so
mv rehearsed-kernels b/bin/gpu-kernels
export PATH=$home_there/stubs:\$PATH PYTHONPATH=$home_there CNN3D_CUDNN=libcudnn.so.9
export LEASE=${LEASE:-540} CNN3D_TEST_TIME_FACTOR=${CNN3D_TEST_TIME_FACTOR:-1} RESULTS=$home_there/results TRY_DEVICE=cuda
$run --try ${steps:+--only $steps}
EOF

status=0
if [ -n "$system" ]; then
  inside () {
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
      "$top/tests/distro.sh" --inside "$root" '' "$work/archives" root "$@"
  }
  inside sh -c 'apt-get update && apt-get install -y --no-install-recommends python3' >"$work/apt.log" 2>&1 </dev/null || {
    tail -n 5 "$work/apt.log" >&2
    exit 1
  }
  # shellcheck disable=SC2016
  inside sh -c '. /etc/os-release; echo "$PRETTY_NAME, $(python3 -V); xz: $(command -v xz || echo none)"'
  inside bash /root/rehearse.sh </dev/null || status=$?
else
  # only the bundle's plugins and configurations
  env -u GST_PLUGIN_PATH -u CNN3D_BACKEND_PATH -u CNN3D_CONFIG_PATH bash "$home/rehearse.sh" </dev/null || status=$?
fi
if [ -n "${RESULTS:-}" ] && [ -d "$home/results" ]; then
  mkdir -p "$RESULTS"
  cp -r "$home/results/." "$RESULTS"
fi
exit $status
