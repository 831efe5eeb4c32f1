/* What WASI preview 1 cannot express: permissions, and a current directory without `..` in its path. These functions take
 * the place of libc's own; the linker wraps those that share an object file with others (python-wasm/link.mk).
 */
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/libc-find-relpath.h>
#include <wasi/libc-nocwd.h>

enum { MODE_OF_STREAMS = S_IFIFO | 0600, PERMISSIONS = 07777, BLOCK_BYTES = 4096, SECTOR_BYTES = 512 };

static int
result(__wasi_errno_t error)
{
    errno = error ? error : errno;
    return error ? -1 : 0;
}

/* ---- stat ------------------------------------------------------------------------------------------------------- */

static struct timespec
timespec_of(__wasi_timestamp_t time)
{
    return (struct timespec){.tv_sec = (time_t)(time / 1000000000), .tv_nsec = (long)(time % 1000000000)};
}

static struct stat
stat_of(const struct node *node)
{
    __wasi_filestat_t stat = filestat_of(node);
    mode_t type = files_is_directory(node) ? S_IFDIR : node->type == __WASI_FILETYPE_SYMBOLIC_LINK ? S_IFLNK : S_IFREG;
    return (struct stat){
        .st_dev = stat.dev,
        .st_ino = stat.ino,
        .st_nlink = stat.nlink,
        .st_mode = type | node->permissions,
        .st_size = (off_t)stat.size,
        .st_blksize = BLOCK_BYTES,
        .st_blocks = (blkcnt_t)((stat.size + SECTOR_BYTES - 1) / SECTOR_BYTES),
        .st_atim = timespec_of(stat.atim),
        .st_mtim = timespec_of(stat.mtim),
        .st_ctim = timespec_of(stat.ctim),
    };
}

int
fstat(int fd, struct stat *stat)
{
    const struct open_file *file = descriptor_file((__wasi_fd_t)fd);
    if (file == NULL) {
        return result(__WASI_ERRNO_BADF);
    }
    *stat = file->node != NULL ? stat_of(file->node) : (struct stat){.st_mode = MODE_OF_STREAMS};
    return 0;
}

/* The node at a path relative to a directory's descriptor. */
static __wasi_errno_t
find_node(int fd, const char *path, bool follow, struct place *place)
{
    struct node *directory;
    __wasi_errno_t error = descriptor_directory((__wasi_fd_t)fd, &directory);
    error = error ? error : files_find(directory, path, strlen(path), follow, place);
    return !error && place->node == NULL ? __WASI_ERRNO_NOENT : error;
}

int
__wasilibc_nocwd_fstatat(int fd, const char *restrict path, struct stat *restrict stat, int flags)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, !(flags & AT_SYMLINK_NOFOLLOW), &place);
    if (!error) {
        *stat = stat_of(place.node);
    }
    return result(error);
}

/* ---- permissions ------------------------------------------------------------------------------------------------ */

int
__wasilibc_nocwd_faccessat(int fd, const char *path, int mode, int flags)
{
    struct place place;
    if ((mode & ~(F_OK | R_OK | W_OK | X_OK)) || (flags & ~AT_EACCESS)) {
        return result(__WASI_ERRNO_INVAL);
    }
    __wasi_errno_t error = find_node(fd, path, true, &place);
    if (!error && (mode & W_OK) && place.node->read_only) {
        error = __WASI_ERRNO_ROFS;
    }
    if (!error && (mode & X_OK) && !(place.node->permissions & 0111)) {
        error = __WASI_ERRNO_ACCES;
    }
    if (!error && !((mode & W_OK) ? files_may_write(&place) : files_may_read(&place))) {
        error = __WASI_ERRNO_ACCES;
    }
    return result(error);
}

static __wasi_errno_t
set_permissions(struct node *node, mode_t mode)
{
    if (node->read_only) {
        return __WASI_ERRNO_ROFS;
    }
    node->permissions = (uint16_t)(mode & PERMISSIONS);
    node->changed = files_now();
    return __WASI_ERRNO_SUCCESS;
}

/* The node at a path, from the current directory. */
static __wasi_errno_t
find_path(const char *path, struct place *place)
{
    const char *prefix;
    char relative[PATH_BYTES_MAX + 1], *start = relative;
    int fd = __wasilibc_find_relpath(path, &prefix, &start, sizeof relative);
    return fd < 0 ? (__wasi_errno_t)errno : find_node(fd, start, true, place);
}

int
__wrap_chmod(const char *path, mode_t mode)
{
    struct place place;
    __wasi_errno_t error = find_path(path, &place);
    if (!error && !files_may_write(&place)) {
        error = __WASI_ERRNO_ACCES;
    }
    return result(error ? error : set_permissions(place.node, mode));
}

int
__wrap_fchmod(int fd, mode_t mode)
{
    struct open_file *file = descriptor_file((__wasi_fd_t)fd);
    return result(file == NULL || file->node == NULL ? __WASI_ERRNO_BADF : set_permissions(file->node, mode));
}

/* ---- the current directory -------------------------------------------------------------------------------------- */

extern int __real_chdir(const char *path);

/* libc only appends to the path that it keeps. */
int
__wrap_chdir(const char *path)
{
    struct place place;
    char absolute[PATH_BYTES_MAX + 1];
    __wasi_errno_t error = find_path(path, &place);
    if (!error && !files_is_directory(place.node)) {
        error = __WASI_ERRNO_NOTDIR;
    }
    if (!error && files_path(place.node, NULL, 0, absolute) == 0) {
        error = __WASI_ERRNO_NOENT;
    }
    return error ? result(error) : __real_chdir(absolute);
}

extern int __real___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *capacity, int can_grow);

/* libc takes an empty path for the current directory. */
int
__wrap___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *capacity, int can_grow)
{
    if (*path == '\0') {
        return result(__WASI_ERRNO_NOENT);
    }
    return __real___wasilibc_find_relpath_alloc(path, prefix, relative, capacity, can_grow);
}
