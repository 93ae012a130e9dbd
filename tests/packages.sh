#!/usr/bin/env bash
# Builds and checks the Debian packages, or tests them after installation, as
# `tests/distro.sh SYSTEM --packages` does in bare systems. Needs root; installs and
# removes packages.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/packages.sh build FOLDER    builds debian/ into FOLDER, without errors
#                                     from lintian; with CUDA's module if
#                                     /usr/local/cuda has nvcc
#   tests/packages.sh try FOLDER      installs them, runs the quickstart's line and
#                                     each command as a plain user, and purges them
#                                     without a trace
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DEBIAN_FRONTEND=noninteractive

die () {
  echo "packages.sh: $*" >&2
  exit 1
}

build () {
  local profiles='' version
  version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
  [ "$(dpkg-parsechangelog -S Version 2>/dev/null || sed -n '1s/.*(\(.*\)).*/\1/p' \
    debian/changelog)" = "$version" ] \
    || die "debian/changelog is not of version $version as in meson.build"
  [ ! -x /usr/local/cuda/bin/nvcc ] || profiles=--build-profiles=pkg.cnn3d.cuda
  apt-get install -y --no-install-recommends build-essential lintian
  apt-get build-dep -y --no-install-recommends ./
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/cnn3d"
  tar --exclude=./.git --exclude='./build*' --exclude=./demo --exclude=./runs -cf - . \
    | tar -C "$work/cnn3d" -xf -
  (cd "$work/cnn3d" && dpkg-buildpackage -us -uc -b $profiles)
  lintian --allow-root --fail-on error --info "$work"/cnn3d_*.changes
  mkdir -p "$1"
  cp "$work"/*.deb "$1/"
}

# as_user COMMAND...: with an empty environment, in the user's home folder
as_user () {
  runuser -u tester -- env -i HOME=/home/tester LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin sh -c 'cd && "$@"' sh "$@"
}

try () {
  local line names left
  line=$(sed -n "s/^line='\(.*\)'\$/\1/p" pipelines/quickstart.sh)
  [ -n "$line" ] || die "pipelines/quickstart.sh has no line"
  id tester >/dev/null 2>&1 || useradd --create-home tester
  names=$(for file in "$1"/*.deb; do dpkg-deb -f "$file" Package; done \
    | grep -v -e -dbgsym)
  # CUDA's module loads without a GPU, too
  apt-get install -y $(find "$1" -name '*.deb' ! -name '*-dbgsym*')

  as_user gst-inspect-1.0 cnn3dtrain
  as_user cnn3d --version
  as_user cnn3d plan
  as_user cnn3d plan --gpu=rtx3070
  as_user /usr/libexec/cnn3d/make-demo-videos demo
  as_user sh -c "$line"
  as_user cnn3d export runs/quickstart/best.safetensors
  as_user cnn3d pipeline --config /usr/share/cnn3d/configs/config.yaml
  as_user test -s runs/quickstart/best.onnx

  apt-get purge -y $names
  left=$(find / -xdev \( -name '*cnn3d*' -o -name '*gstclip*' \) \
    ! -path '/home/*' ! -path "$PWD*" ! -path "$1*" ! -path '/var/cache/*' \
    ! -path '/tmp/*' ! -path '/proc/*')
  [ -z "$left" ] || die "this is left after a purge: $left"
  [ -z "$(dpkg-query -W -f '${Package}\n' $names 2>/dev/null)" ] \
    || die "packages are still there"
}

case ${1:-} in
  build | try) [ $# = 2 ] || die "say which folder: see --help"; "$@" ;;
  *) die "say build or try: see --help" ;;
esac
