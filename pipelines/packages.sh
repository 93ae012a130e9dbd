#!/bin/sh
# Installs the Debian or Ubuntu packages that the project needs.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   pipelines/packages.sh build        to build it and to train with it
#   pipelines/packages.sh build test   to run its tests too
#   pipelines/packages.sh fuzz         to fuzz it
#
# Names are those of Debian 12 and 13 and of Ubuntu 24.04 (there some are in
# "universe"). Packages that are there are left alone: apt runs only where one
# is missing, and sudo only where the user is not root.
set -eu
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac

build="build-essential pkg-config meson ninja-build libglib2.0-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libdnnl-dev libyaml-dev
  libjson-glib-dev libcairo2-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
  libxxhash-dev libopenmpi-dev openmpi-bin
  gstreamer1.0-tools gstreamer1.0-plugins-base
  gstreamer1.0-plugins-good gstreamer1.0-x fonts-dejavu-core gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav"
test="iproute2 locales python3 python3-numpy python3-pip python3-torch python3-torchvision python3-gi
  gir1.2-gstreamer-1.0"
fuzz="clang libclang-rt-dev"

say () {
  echo "packages.sh: $*" >&2
}

wanted=
for group in "$@"; do
  case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    *) say "unknown group '$group': build, test and fuzz are known"; exit 2 ;;
  esac
done
if [ -z "$wanted" ]; then
  say "say what for: build, test, fuzz"
  exit 2
fi

if ! command -v dpkg-query >/dev/null; then
  say "this is not Debian or Ubuntu; going on with what is installed." \
    "It takes the counterparts of:" $wanted
  exit 0
fi

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  root=
elif command -v sudo >/dev/null; then
  root=sudo
else
  say "these packages are missing, and there is no sudo; as root, run:" \
    "apt-get install$missing"
  exit 1
fi

say "installing$missing"
# A stale list of packages names files that are gone: fetch it again, once.
install () {
  $root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing </dev/null
}
install || { $root apt-get update && install; }
