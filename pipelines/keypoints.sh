#!/usr/bin/env bash
# Key points beside frames: installs the packages, builds, makes the demonstration
# set in which only motion shows the class while colours and backgrounds mislead,
# trains a network on key points and one on frames, and tests both.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. pipelines/demonstration.sh

# Printed, and run as they are printed. A network of key points sees no frames:
# they are decoded for their times alone, and as small as they can be.
kpt='gst-launch-1.0 -e clipsrc location=demo-keypoints/train.csv val-location=demo-keypoints/val.csv epochs=10 num-workers=1 seed=1 clip-bin="clipsample num-frames=16 frame-interval=1 ! clipkpt compact=true ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=16,height=16" ! clipbatch batch-size=8 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=posec3d_slowonly input-type=kpt base-width=16 heatmap-size=32 heatmap-sigma=1 optimizer=adamw lr=0.001 lr-schedule=cosine warmup-epochs=1 threads=1 log-dir=runs/kpt checkpoint-dir=runs/kpt'
rgb='gst-launch-1.0 -e clipsrc location=demo-keypoints/train.csv val-location=demo-keypoints/val.csv epochs=20 num-workers=1 seed=1 clip-bin="clipsample num-frames=16 frame-interval=1 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=32,height=32" ! clipbatch batch-size=8 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 base-width=16 optimizer=adamw lr=0.001 lr-schedule=cosine warmup-epochs=1 threads=1 log-dir=runs/rgb checkpoint-dir=runs/rgb'

prepare make-keypoint-videos demo-keypoints
train_and_test "$kpt" "$rgb"
