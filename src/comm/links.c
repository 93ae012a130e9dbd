/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/comm/links.h"

const Cnn3dLinkSpeed cnn3d_links[] = {
  { "10 Gbit/s", 1.25e9 },
  { "25 Gbit/s", 3.125e9 },
  { "100 Gbit/s", 12.5e9 },
  { "PCIe 4.0 x16", 31.5e9 },
  { "NVLink 4", 450e9 },
  { NULL },
};
