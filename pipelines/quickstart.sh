#!/usr/bin/env bash
# From nothing to a trained network: installs the packages, builds, makes the
# demonstration data set, trains a 3D CNN on it with one gst-launch line, tests
# the best weights on clips that did not train them, and makes a page of it all.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. pipelines/demonstration.sh

# Printed, and run as it is printed. One thread trains: clips this small take as
# long to decode, and decoders want the other core.
line='gst-launch-1.0 -e clipsrc location=demo/train.csv val-location=demo/val.csv epochs=16 num-workers=2 seed=1 clip-bin="clipsample num-frames=8 frame-interval=1 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=16 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=mc3_18 base-width=16 optimizer=adamw lr=0.001 lr-schedule=cosine warmup-epochs=1 threads=1 log-dir=runs/quickstart checkpoint-dir=runs/quickstart'
run=${line##*=}

prepare make-demo-videos demo

step "Training"
cat <<END
To run it yourself, in $PWD:

export GST_PLUGIN_PATH=$plugins
$line

Ctrl-C saves and ends; the same line then resumes.

END

# What is shown is kept in a file too. On a terminal script(1) does that, so
# that the trainer still sees a terminal and shows its progress.
mkdir -p "$run"
log=$run/output.txt
status=0
if [ -t 1 ] && [ -t 0 ] && command -v script >/dev/null; then
  SHELL=$BASH script --quiet --return --append --command "$line" "$log" || status=$?
else
  bash -c "$line" 2>&1 </dev/null | tee --append --ignore-interrupts "$log" \
    || status=$?
fi
if [ $status != 0 ]; then
  echo "quickstart.sh: training ended with status $status" >&2
  exit $status
fi

# Everything that the run ever printed: an earlier part of it too
accuracies=$(tr '\r' '\n' <"$log" | grep -o 'val-accuracy [0-9.]* %' \
  | cut -d ' ' -f 2) || true
if [ -z "$accuracies" ]; then
  echo "quickstart.sh: no epoch was finished" >&2
  exit 1
fi

step "Test"
run_line "$(test_of "$line" "$run")"

step "Report"
"$build/tool/cnn3d" report "$run"

step "Done"
echo "Validation accuracy: $(tail -n 1 <<<"$accuracies") % after the last epoch," \
  "$(sort -g <<<"$accuracies" | tail -n 1) % at best."
echo "The weights are in $PWD/$run; remove that folder to start over."
echo "The run as a page: $PWD/$run/report.html"
