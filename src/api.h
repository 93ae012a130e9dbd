/* api.h: which symbols leave the library. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_API_H
#define CNN3D_API_H

#define CNN3D_API __attribute__ ((visibility ("default")))

#endif
