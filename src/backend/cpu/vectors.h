/* vectors.h: GCC's vector types, which become whatever registers there are, and
 * how they are read and written. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_VECTORS_H
#define CNN3D_CPU_VECTORS_H

#include <glib.h>
#include <string.h>

typedef gfloat vec16 __attribute__ ((vector_size (64)));
typedef gfloat vec8 __attribute__ ((vector_size (32)));
typedef gdouble double16 __attribute__ ((vector_size (128)));
typedef gdouble double8 __attribute__ ((vector_size (64)));
typedef gint32 int16 __attribute__ ((vector_size (64)));
typedef gint32 int8 __attribute__ ((vector_size (32)));
typedef guint32 uint16 __attribute__ ((vector_size (64)));
typedef guint32 uint8 __attribute__ ((vector_size (32)));
typedef guint16 half16 __attribute__ ((vector_size (32)));
typedef guint16 half8 __attribute__ ((vector_size (16)));
typedef guint8 byte16 __attribute__ ((vector_size (16)));
typedef guint8 byte8 __attribute__ ((vector_size (8)));

/* Of n lanes: plain loads and stores of floats; bf16 is the upper half of a
 * float, rounded to nearest even, NaN kept. */
#define DEFINE_LANES(n)                                                                           \
  static inline vec##n loadf##n (const gfloat *p)                                                 \
  {                                                                                               \
    vec##n v;                                                                                     \
    memcpy (&v, p, sizeof v);                                                                     \
    return v;                                                                                     \
  }                                                                                               \
  static inline void storef##n (gfloat *p, vec##n v)                                              \
  {                                                                                               \
    memcpy (p, &v, sizeof v);                                                                     \
  }                                                                                               \
  static inline double##n loadd##n (const gdouble *p)                                             \
  {                                                                                               \
    double##n v;                                                                                  \
    memcpy (&v, p, sizeof v);                                                                     \
    return v;                                                                                     \
  }                                                                                               \
  static inline void stored##n (gdouble *p, double##n v)                                          \
  {                                                                                               \
    memcpy (p, &v, sizeof v);                                                                     \
  }                                                                                               \
  static inline vec##n loadh##n (const guint16 *p)                                                \
  {                                                                                               \
    half##n h;                                                                                    \
    memcpy (&h, p, sizeof h);                                                                     \
    return (vec##n) (__builtin_convertvector (h, uint##n) << 16);                                 \
  }                                                                                               \
  static inline void storeh##n (guint16 *p, vec##n v)                                             \
  {                                                                                               \
    const uint##n u = (uint##n) v, nan = (uint##n) (v != v);                                      \
    const uint##n r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;                                       \
    const half##n h = __builtin_convertvector ((r & ~nan) | (((u >> 16) | 0x40) & nan), half##n); \
    memcpy (p, &h, sizeof h);                                                                     \
  }                                                                                               \
  static inline int##n loadbits##n (const guint8 *p)                                              \
  {                                                                                               \
    byte##n b;                                                                                    \
    memcpy (&b, p, sizeof b);                                                                     \
    return __builtin_convertvector (b, int##n);                                                   \
  }                                                                                               \
  static inline void storebits##n (guint8 *p, int##n v)                                           \
  {                                                                                               \
    const byte##n b = __builtin_convertvector (v, byte##n);                                       \
    memcpy (p, &b, sizeof b);                                                                     \
  }                                                                                               \
  static inline vec##n positive##n (vec##n y, vec##n g)                                           \
  {                                                                                               \
    return (vec##n) ((int##n) g & (int##n) (y > 0));                                              \
  }

DEFINE_LANES (16)
DEFINE_LANES (8)
#undef DEFINE_LANES

typedef gfloat element_f;
typedef guint16 element_h;

/* The names that kernels are written in: of LANES lanes and, where they read or
 * write activations, of their TYPE: f or h for f32 or bf16. */
#define CPU_JOIN_(a, b) a##b
#define CPU_JOIN(a, b) CPU_JOIN_ (a, b)
#define VEC CPU_JOIN (vec, LANES)
#define DVEC CPU_JOIN (double, LANES)
#define INT CPU_JOIN (int, LANES)
#define LOADF CPU_JOIN (loadf, LANES)
#define STOREF CPU_JOIN (storef, LANES)
#define LOADD CPU_JOIN (loadd, LANES)
#define STORED CPU_JOIN (stored, LANES)
#define LOADBITS CPU_JOIN (loadbits, LANES)
#define STOREBITS CPU_JOIN (storebits, LANES)
#define WHERE_POSITIVE CPU_JOIN (positive, LANES)
#define ELEMENT CPU_JOIN (element_, TYPE)
#define LOAD CPU_JOIN (CPU_JOIN (load, TYPE), LANES)
#define STORE CPU_JOIN (CPU_JOIN (store, TYPE), LANES)
#define NAME(x) CPU_JOIN (CPU_JOIN (x##_, TYPE), LANES)

#endif
