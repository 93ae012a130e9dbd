/* target.h: shared by the targets. A target is a file with LLVMFuzzerTestOneInput(), as called by
 * libFuzzer: an input must give a result or an error, and never a crash, a leak, a GLib message or
 * a contradictory result. Ordinary builds run it on the corpus only.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FUZZ_TARGET_H
#define CNN3D_FUZZ_TARGET_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The target. Always 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Aborts the process: the input shows a defect. */
void fuzz_fail (const gchar *what, const gchar *text) G_GNUC_NORETURN;
/* Checks that a function returned a result, or else set an error with a message. */
void fuzz_check_error (gboolean done, const GError *error);

/* Reads all bytes, for the sanitizers. */
void fuzz_touch (const void *data, gsize size);

/* The process's own folder, initially empty and removed at exit. */
const gchar *fuzz_folder (void);
/* Writes a file in it. Returns its path, which stays valid and is the same for the same name. */
const gchar *fuzz_put (const gchar *name, const void *data, gsize size);

/* The same with a safetensors file of this header, followed by as many zeros as the largest number
 * in it up to 64 KiB: mutations of a header alone get further. */
const gchar *fuzz_put_safetensors (const gchar *name, const void *header, gsize size);

/* Parts of an input, separated by lines "----". The last is empty if the input ends there. */
typedef struct {
  const uint8_t *data;
  gsize size;
} FuzzPart;
FuzzPart fuzz_next_part (FuzzPart *rest);

#endif
