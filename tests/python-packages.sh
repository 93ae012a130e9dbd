#!/bin/sh
# Installs the Python packages used as references by tests into a folder.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/python-packages.sh FOLDER
#
# FOLDER becomes a virtual environment of Debian's python3 that includes Debian's
# packages; run FOLDER/bin/python. It is created once, and again when the list below
# changes. Without a network this fails with a message, and tests that need one of
# the packages are skipped.
set -eu
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac

packages="tensorboard onnxruntime safetensors scikit-learn av clang-format==19.1.7"
python=/usr/bin/python3
folder=${1:?give a folder}

stamp="$packages $($python --version)"
[ "$(cat "$folder/.packages" 2>/dev/null)" != "$stamp" ] || exit 0

# Debian's torch needs the major version of numpy that it was built with
numpy=$($python -c 'import numpy
print("numpy<%d" % (int(numpy.__version__.split(".")[0]) + 1))' 2>/dev/null) \
  || numpy=

rm -rf "$folder"
$python -m venv --system-site-packages --without-pip "$folder"
printf '%s\n' "$numpy" >"$folder/constraints.txt"
# pip outside of the virtual environment installs into it
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
