# tests/gpu.sh --pack: a bundle of what it needs on a machine that has no GStreamer and
# nothing to build with. Sourced by it.
# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later

most=60000000                   # bytes of a bundle
# Plugins that decode the demonstration set, and that create it
plugins="coreelements typefindfunctions app videoconvertscale
  videoconvert videoscale videorate isomp4 x264 openh264 videoparsersbad
  ${GST_BUNDLE_PLUGINS:-}"
# Provided by the other machine
theirs='^(ld-linux|libc|libm|libdl|librt|libpthread|libresolv|libutil|libgcc_s'
theirs+='|libstdc\+\+|libcuda|libnvidia|libcudart|libcudnn|libcublas|libnvrtc)[.\-_]'

pack_gstreamer () {
  local stage=$1 file base name system
  shift
  system=$(pkg-config --variable=pluginsdir gstreamer-1.0)
  mkdir -p "$stage"/bin "$stage"/lib "$stage"/plugins
  for name in $plugins; do
    [ ! -e "$system/libgst$name.so" ] || cp "$system/libgst$name.so" "$stage/plugins/"
  done
  cp "$(command -v gst-launch-1.0)" "$(command -v gst-inspect-1.0)" "$stage/bin/"
  file=$(pkg-config --variable=pluginscannerdir gstreamer-1.0)/gst-plugin-scanner
  [ ! -e "$file" ] || cp "$file" "$stage/bin/"
  for file in "$@"; do
    case $(basename "$file") in
      libgst*.so) cp "$file" "$stage/plugins/" ;;
      *.so*) cp "$file" "$stage/lib/" ;;
      *) cp "$file" "$stage/bin/" ;;
    esac
  done
  find "$stage" -type f -exec ldd {} \; 2>/dev/null | awk '/=> \//{print $3}' | sort -u \
    | while read -r file; do
        base=$(basename "$file")
        [[ $base =~ $theirs || -e $stage/lib/$base ]] || cp -L "$file" "$stage/lib/"
      done
}

pack () {
  local build stage file files=()
  build=$(realpath -m "${BUILD:-$top/build}")
  stage=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$stage'" EXIT
  for file in src/libcnn3d.so src/backend/cpu/libcnn3d-cpu.so \
    src/backend/cuda/libcnn3d-cuda.so plugins/clip/libgstclipmeta-1.0.so.0 \
    plugins/clip/libgstclip.so plugins/cnn3d/libgstcnn3d.so tool/cnn3d \
    src/comm/nccl/libcnn3d-nccl.so \
    tests/parity/trainer-tool pipelines/demo/make-demo-videos tests/cuda/gpu-kernels; do
    if [ -e "$build/$file" ]; then
      files+=("$build/$file")
    elif [ "$file" = src/backend/cuda/libcnn3d-cuda.so ]; then
      complain "$build has no CUDA back end: the bundle will not have it either"
    elif [ "$file" = src/comm/nccl/libcnn3d-nccl.so ]; then
      complain "$build is without NCCL: the bundle will not train on several GPUs"
    elif [ "$file" = tests/cuda/gpu-kernels ]; then
      complain "$build has no kernels for a GPU: the bundle will not test them"
    else
      complain "$build/$file is missing: build first (BUILD is the build folder)"
      exit 1
    fi
  done
  if [ -n "${GST_BUNDLE:-}" ]; then
    "$GST_BUNDLE" "$stage.tar.xz" "${files[@]}" >&2 || exit 1
    tar -C "$stage" -xf "$stage.tar.xz" || exit 1
    rm -f "$stage.tar.xz"
  else
    pack_gstreamer "$stage" "${files[@]}" || exit 1
    strip --strip-unneeded "$stage"/lib/*.so* "$stage"/plugins/*.so "$stage"/bin/* 2>/dev/null
  fi
  # the scripts, with the files that they expect beside them
  mkdir -p "$stage/cnn3d"
  tar -C "$top" -cf - tests/gpu.sh tests/gpu-lease.sh tests/parity tests/bench pipelines/quickstart.sh \
    configs presets | tar -C "$stage/cnn3d" -xf - || exit 1
  find "$stage/cnn3d" -name __pycache__ -prune -exec rm -rf {} +
  mkdir -p "$(dirname "$out")"
  tar -C "$stage" -cf - . | xz -T0 "${XZ_LEVEL:--6}" >"$out" || exit 1
  if [ "$(stat -c %s "$out")" -gt "$most" ]; then
    complain "$out has $(du -h "$out" | cut -f 1), more than the $((most / 1000000)) MB that it may have"
    exit 1
  fi
  echo "$out: $(du -h "$out" | cut -f 1). There:"
  # Python, because xz may be missing
  echo "python3 -c 'import tarfile; tarfile.open(\"$(basename "$out")\").extractall(\"b\")'" \
    "&& bash b/cnn3d/tests/gpu.sh --bundle b"
}
