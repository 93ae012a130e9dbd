# Sourced by the scripts that train on a demonstration set, in the top folder.
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

build=build

step () {
  printf '\n== %s\n' "$*"
}

# prepare PROGRAM FOLDER: packages, build, and the set that PROGRAM makes
prepare () {
  step "Packages"
  sh pipelines/packages.sh build

  step "Build"
  [ -f "$build/build.ninja" ] || meson setup "$build"
  ninja -C "$build" product

  step "Demonstration set"
  "$build/pipelines/demo/$1" "$2"

  plugins=$PWD/$build/plugins
  export GST_PLUGIN_PATH=$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
}

# run_line LINE
run_line () {
  printf '%s\n\n' "$1"
  bash -c "$1" </dev/null
}

# test_of LINE RUN: prints the line that evaluates the best weights on the clips that LINE
# validates with, once
test_of () {
  sed -e 's/ -e clipsrc/ clipsrc/; s/ seed=1 / /' \
    -e 's/train.csv val-location=[^ ]*val.csv/val.csv/; s/ epochs=[0-9]*/ passes=test/' \
    -e "s,cnn3dtrain .*,cnn3deval model=$2/best.safetensors threads=1 output-dir=$2/test," <<<"$1"
}

# train_and_test LINE...
train_and_test () {
  local line run
  for line in "$@"; do
    run=${line##*=}
    step "Training: $run"
    run_line "$line"
    step "Test: $run"
    run_line "$(test_of "$line" "$run")"
  done
}
