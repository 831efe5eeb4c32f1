/* Open files, which descriptors.c owns and paths.c makes. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "files.h"

enum { DESCRIPTORS_MAX = 1024, ROOT_DESCRIPTOR = 3 };

/* An open file; descriptors made with dup() share it. */
struct open_file {
    struct node *node; /* NULL for a stream */
    int32_t stream;
    uint64_t offset;
    __wasi_rights_t rights;
    __wasi_fdflags_t flags;
    uint32_t descriptors;
};

/* The open file of a descriptor, or NULL. */
struct open_file *descriptor_file(__wasi_fd_t fd);
/* The directory of a descriptor. */
__wasi_errno_t descriptor_directory(__wasi_fd_t fd, struct node **directory);
/* Opens a node at the lowest free descriptor. */
__wasi_errno_t descriptor_open(struct node *node, __wasi_rights_t rights, __wasi_fdflags_t flags, __wasi_fd_t *fd);
__wasi_filestat_t filestat_of(const struct node *node);
__wasi_errno_t set_times(struct node *node, __wasi_timestamp_t accessed, __wasi_timestamp_t modified, __wasi_fstflags_t flags);

#endif
