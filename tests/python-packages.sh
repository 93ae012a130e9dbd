#!/bin/sh
# Installs the Python packages that tests compare with, into a folder of their
# own.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/python-packages.sh FOLDER
#
# FOLDER becomes a virtual environment of Debian's python3, which sees Debian's
# packages too; FOLDER/bin/python has them all. It is made once, and again when
# the list below changes. Without a network: says so and fails, and tests that
# need one of the packages are left out.
set -eu
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac

packages="tensorboard onnxruntime safetensors scikit-learn av clang-format==19.1.7"
python=/usr/bin/python3
folder=${1:?say which folder}

stamp="$packages $($python --version)"
[ "$(cat "$folder/.packages" 2>/dev/null)" != "$stamp" ] || exit 0

# Debian's torch reads the arrays of the numpy that it was built with
numpy=$($python -c 'import numpy
print("numpy<%d" % (int(numpy.__version__.split(".")[0]) + 1))' 2>/dev/null) \
  || numpy=

rm -rf "$folder"
$python -m venv --system-site-packages --without-pip "$folder"
printf '%s\n' "$numpy" >"$folder/constraints.txt"
# a virtual environment that pip serves from outside needs no pip of its own
if $python -m pip --python "$folder/bin/python" --disable-pip-version-check \
    --retries 1 install --quiet --no-compile --only-binary :all: \
    -c "$folder/constraints.txt" $packages; then
  printf '%s\n' "$stamp" >"$folder/.packages"
else
  rm -rf "$folder"
  echo "python-packages.sh: cannot install $packages;" \
    "tests that need them are left out" >&2
  exit 1
fi
