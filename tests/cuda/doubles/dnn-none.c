/* A library that is no cuDNN. SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

__attribute__ ((visibility ("default"))) size_t
cudnnGetVersion (void)
{
  return 91900;
}
