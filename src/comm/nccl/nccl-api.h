/* nccl-api.h: the part of NCCL's interface that is used, as nccl.h has it since version 2.18: the
 * library is loaded at run time, and its header need not be there when this is built.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NCCL_API_H
#define CNN3D_NCCL_API_H

#include <limits.h>
#include <stddef.h>

#define NCCL_OLDEST 21800 /* 2.18.0 */

typedef struct ncclComm *NcclComm;
typedef struct {
  char internal[128];
} NcclId;

enum {
  NCCL_SUCCESS = 0,
  NCCL_IN_PROGRESS = 7
};
enum {
  NCCL_UINT8 = 1
};

/* The first members of ncclConfig_t; the library takes its defaults for those behind `size`. */
typedef struct {
  size_t size;
  unsigned magic, version;
  int blocking, cluster_size, least_blocks, most_blocks;
  const char *network;
  int split_share;
} NcclConfig;
#define NCCL_CONFIG(channels) \
  { sizeof (NcclConfig), 0xcafebeef, NCCL_OLDEST, 0, INT_MIN, INT_MIN, channels, NULL, INT_MIN }

/* int: an ncclResult_t; stream: a cudaStream_t. */
typedef struct {
  int (*get_version) (int *version);
  const char *(*error_string) (int result);
  const char *(*last_error) (NcclComm comm);
  int (*get_id) (NcclId *id);
  int (*init_rank) (NcclComm *comm, int ranks, NcclId id, int rank, NcclConfig *config);
  int (*async_error) (NcclComm comm, int *result);
  int (*finalize) (NcclComm comm);
  int (*destroy) (NcclComm comm);
  int (*abort) (NcclComm comm);
  int (*group_start) (void);
  int (*group_end) (void);
  int (*send) (const void *from, size_t n, int type, int peer, NcclComm comm, void *stream);
  int (*receive) (void *to, size_t n, int type, int peer, NcclComm comm, void *stream);
} NcclApi;

#endif
