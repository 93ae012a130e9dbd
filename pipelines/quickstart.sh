#!/usr/bin/env bash
# From nothing to a trained network: installs the packages, builds, makes the
# demonstration data set, and trains a 3D CNN on it with one gst-launch line.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build
run=runs/quickstart
epochs=${EPOCHS:-16}

line='gst-launch-1.0 -e clipsrc location=demo/train.csv val-location=demo/val.csv epochs='$epochs' num-workers=2 seed=1 clip-bin="clipsample num-frames=8 frame-interval=2 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=64,height=64" ! clipbatch batch-size=16 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 base-width=16 optimizer=adamw lr=0.003 lr-schedule=cosine warmup-epochs=1 checkpoint-dir='$run

step () {
  printf '\n== %s\n' "$*"
}

step "Packages"
sh pipelines/packages.sh build

step "Build"
# Debian's meson, whatever else is first on PATH
meson=$(command -v meson)
[ -f "$build/build.ninja" ] || "$meson" setup "$build"
ninja -C "$build"

step "Demonstration set"
"$build/pipelines/demo/make-demo-videos" demo

step "Training"
plugins=$PWD/$build/plugins
export GST_PLUGIN_PATH=$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
cat <<END
To run it yourself, in $PWD:

export GST_PLUGIN_PATH=$plugins
$line

END
