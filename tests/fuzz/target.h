/* target.h: what the targets share. A target is a file with LLVMFuzzerTestOneInput(), as libFuzzer
 * calls it: an input must give a result or an error, and never a crash, a leak, a message of
 * GLib's or a result that contradicts itself. Ordinary builds run it on the corpus only.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FUZZ_TARGET_H
#define CNN3D_FUZZ_TARGET_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The target. Always 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Ends the process: the input shows a defect. */
void fuzz_fail (const gchar *what, const gchar *text) G_GNUC_NORETURN;
/* A function that returns a result, or else sets an error with a message. */
void fuzz_check_error (gboolean done, const GError *error);

/* Reads all bytes, which sanitizers watch. */
void fuzz_touch (const void *data, gsize size);

/* The process's own folder, which is empty at first and removed at exit. */
const gchar *fuzz_folder (void);
/* Writes a file in it. Returns its path, which stays valid; the same for the same name. */
const gchar *fuzz_put (const gchar *name, const void *data, gsize size);

/* The same with a safetensors file of this header, and as many zeros behind it as the largest number
 * in it up to 64 KiB says: mutations of a header alone get further. */
const gchar *fuzz_put_safetensors (const gchar *name, const void *header, gsize size);

/* Parts of an input, divided by lines "----". The last is empty if the input is at its end. */
typedef struct {
  const uint8_t *data;
  gsize size;
} FuzzPart;
FuzzPart fuzz_next_part (FuzzPart *rest);

#endif
