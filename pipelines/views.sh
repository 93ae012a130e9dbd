#!/usr/bin/env bash
# Several cameras of one scene: installs the packages, builds, makes the demonstration
# set whose class no view shows alone, trains a network on all views and one
# on a single view, and tests both.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. pipelines/demonstration.sh

# Printed, and run as they are printed. The same line but for the views.
all='gst-launch-1.0 -e clipsrc location=demo-views/train.csv val-location=demo-views/val.csv epochs=4 num-workers=1 seed=1 clip-bin="clipsample num-frames=8 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=8 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 view-fusion=logits base-width=16 optimizer=adamw lr=0.001 lr-schedule=cosine warmup-epochs=1 threads=1 log-dir=runs/views checkpoint-dir=runs/views'
front='gst-launch-1.0 -e clipsrc location=demo-views/train.csv val-location=demo-views/val.csv views=front epochs=4 num-workers=1 seed=1 clip-bin="clipsample num-frames=8 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=8 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 base-width=16 optimizer=adamw lr=0.001 lr-schedule=cosine warmup-epochs=1 threads=1 log-dir=runs/front checkpoint-dir=runs/front'

prepare make-view-videos demo-views
train_and_test "$all" "$front"
