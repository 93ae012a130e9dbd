#!/usr/bin/env bash
# The demonstration set is complete and reproducible, and never partially present.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -uo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
build=${CNN3D_BUILD:-$PWD/build}
make=$build/pipelines/demo/make-demo-videos
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# check NAME COMMAND...
check () {
  local name=$1 out
  shift
  count=$((count + 1))
  if out=$("$@" 2>&1); then
    echo "ok $count - $name"
  else
    echo "not ok $count - $name"
    sed 's/^/# /' <<<"$out"
  fi
}

sums () {
  (cd "$1" && find . -type f | sort | xargs sha256sum)
}

is_whole () {
  [ "$(find "$1" -name '*.mp4' | wc -l)" = 40 ] \
    && [ "$(wc -l <"$1/train.csv")" = 25 ] \
    && [ "$(wc -l <"$1/val.csv")" = 17 ] \
    && [ "$(head -n 1 "$1/train.csv")" = path,label,group ] \
    && tail -qn +2 "$1/train.csv" "$1/val.csv" | cut -d , -f 1 \
    | (cd "$1" && xargs ls >/dev/null)
}

no_shape_twice () {
  ! tail -n +2 "$1/train.csv" | cut -d , -f 3 \
    | grep -xF -f <(tail -n +2 "$1/val.csv" | cut -d , -f 3)
}

same () {
  diff <(sums "$1") <(sums "$2")
}

differ () {
  ! cmp "$1/$3" "$2/$3" >/dev/null
}

# Each video has at least as many frames as the recipe samples.
enough_frames () {
  local file frames
  for file in "$1"/train/*/00000.mp4 "$1"/test/*/00001.mp4; do
    frames=$(gst-launch-1.0 -v filesrc location="$file" ! qtdemux ! avdec_h264 \
      ! identity silent=false ! fakesink | grep -c 'last-message = chain')
    if [ "$frames" -lt 24 ]; then
      echo "$file: $frames frames"
      return 1
    fi
  done
}

# H.264, in several sizes and frame rates
is_varied () {
  local kinds
  kinds=$(for file in "$1"/train/*/*.mp4; do
    gst-launch-1.0 -v filesrc num-buffers=8 location="$file" ! qtdemux \
      ! fakesink num-buffers=1 | grep -o 'video/x-h264.*' \
      | grep -o 'width=[^,]*, height=[^,]*, framerate=[^,]*' | head -n 1
  done | sort -u | wc -l)
  [ "$kinds" -ge 8 ]
}

refuses () {
  local wanted=$1 out
  shift
  if out=$("$make" "$@" 2>&1); then
    echo "it succeeded"
    return 1
  fi
  grep -e "$wanted" <<<"$out" || { echo "$out"; return 1; }
}

is_replaced () {
  "$make" --train 2 --test 2 "$1" && [ "$(find "$1" -name '*.mp4' | wc -l)" = 32 ] \
    && [ -f "$1/mine.txt" ]
}

is_repaired () {
  rm "$1/train/up/00001.mp4" && "$make" --train 3 --test 2 "$1" && is_whole "$1"
}

# An interrupted run leaves neither a set nor a part of one.
stops_clean () {
  local status=0
  "$make" --train 2000 --jobs 2 "$work/stopped" &
  # interrupted once the first video exists
  until [ -n "$(find "$work"/stopped.partial-* -name '*.mp4' 2>/dev/null)" ]; do
    kill -0 $! || return 1
    sleep 0.05
  done
  kill -INT $!
  wait $! || status=$?
  [ $status = 130 ] && ! ls -d "$work"/stopped*
}

"$make" --train 3 --test 2 "$work/a" >/dev/null
"$make" --train 3 --test 2 --jobs 1 "$work/b/" >/dev/null
"$make" --train 3 --test 2 --seed 2 "$work/c" >/dev/null

check "every listed video exists" is_whole "$work/a"
check "no shape is on both sides" no_shape_twice "$work/a"
check "the same seed gives the same bytes, whatever the jobs" same "$work/a" "$work/b"
check "another seed gives other videos" differ "$work/a" "$work/c" train/left/00000.mp4
check "the videos decode, and are long enough" enough_frames "$work/a"
check "they are H.264 of several sizes and rates" is_varied "$work/a"
before=$(stat -c %i.%Y "$work/a/train/left/00000.mp4")
"$make" --train 3 --test 2 "$work/a" >/dev/null
check "an existing set is kept" \
  test "$before" = "$(stat -c %i.%Y "$work/a/train/left/00000.mp4")"
check "a missing video is restored" is_repaired "$work/a"
touch "$work/c/mine.txt"
check "other options replace a set, and nothing else" is_replaced "$work/c"
mkdir "$work/other" && touch "$work/other/file"
check "another program's folder is refused" refuses "not a demonstration set" "$work/other"
check "no videos are refused" refuses "train and --test take" --train 0 "$work/d"
check "no folder is refused" refuses "folder to make is missing"
check "an impossible folder is refused" refuses "cannot make" /proc/none/demo
check "an interrupted run leaves nothing" stops_clean
echo "1..$count"
