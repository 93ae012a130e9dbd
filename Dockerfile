# docker build -t cnn3d . && docker run --rm -it -v "$PWD:/data" -w /data cnn3d
# A shell with the elements and the tool, and the packages that build them.
# SPDX-License-Identifier: LGPL-2.1-or-later
ARG SYSTEM=debian:12
FROM $SYSTEM

COPY pipelines/packages.sh /tmp/
RUN apt-get update \
  && sh /tmp/packages.sh build \
  && rm -rf /var/lib/apt/lists/* /tmp/packages.sh

COPY . /src
RUN meson setup /src/build-image /src --prefix=/usr --buildtype=release \
    -Dtests=disabled \
  && meson install -C /src/build-image \
  && ldconfig \
  && rm -rf /src

CMD ["bash"]
