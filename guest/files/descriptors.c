/* WASI preview 1's functions of descriptors, as libc calls them. Files and directories are answered here, from the
 * guest's own memory; the streams 0 to 2 are the host's.
 *
 * https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
 */
#include "descriptors.h"
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const __wasi_rights_t FOR_READING = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_READDIR;
static const __wasi_rights_t FOR_WRITING = __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_ALLOCATE;
static const __wasi_rights_t FOR_BOTH = FOR_READING | FOR_WRITING | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL;

static struct open_file streams[] = {
    {.stream = 0, .rights = __WASI_RIGHTS_FD_READ, .descriptors = 1},
    {.stream = 1, .rights = __WASI_RIGHTS_FD_WRITE, .descriptors = 1},
    {.stream = 2, .rights = __WASI_RIGHTS_FD_WRITE, .descriptors = 1},
};
static struct open_file root_file = {.rights = FOR_BOTH, .descriptors = 1};
static struct open_file *open_files[DESCRIPTORS_MAX] = {&streams[0], &streams[1], &streams[2], &root_file};

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

struct open_file *
descriptor_file(__wasi_fd_t fd)
{
    root_file.node = files_root();
    return fd < DESCRIPTORS_MAX ? open_files[fd] : NULL;
}

__wasi_errno_t
descriptor_directory(__wasi_fd_t fd, struct node **directory)
{
    struct open_file *file = descriptor_file(fd);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if (file->node == NULL || !files_is_directory(file->node)) {
        return __WASI_ERRNO_NOTDIR;
    }
    *directory = file->node;
    return __WASI_ERRNO_SUCCESS;
}

/* The open regular file of a descriptor that has these rights. */
static __wasi_errno_t
file_of(__wasi_fd_t fd, __wasi_rights_t rights, struct open_file **file)
{
    *file = descriptor_file(fd);
    if (*file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if ((*file)->node == NULL) {
        return __WASI_ERRNO_SPIPE;
    }
    if (files_is_directory((*file)->node)) {
        return __WASI_ERRNO_ISDIR;
    }
    return ((*file)->rights & rights) == rights ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}

/* The lowest free descriptor. */
static __wasi_errno_t
free_descriptor(__wasi_fd_t *fd)
{
    for (*fd = 0; *fd < DESCRIPTORS_MAX; (*fd)++) {
        if (open_files[*fd] == NULL) {
            return __WASI_ERRNO_SUCCESS;
        }
    }
    return __WASI_ERRNO_MFILE;
}

__wasi_errno_t
descriptor_open(struct node *node, __wasi_rights_t rights, __wasi_fdflags_t flags, __wasi_fd_t *fd)
{
    __wasi_errno_t error = free_descriptor(fd);
    if (error) {
        return error;
    }
    struct open_file *file = malloc(sizeof *file);
    if (file == NULL) {
        return __WASI_ERRNO_NOMEM;
    }
    *file = (struct open_file){
        .node = node,
        .rights = (rights & (FOR_READING | FOR_WRITING)) | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL,
        .flags = flags,
        .descriptors = 1,
    };
    files_use(node);
    open_files[*fd] = file;
    return __WASI_ERRNO_SUCCESS;
}

static void
let_go(__wasi_fd_t fd)
{
    struct open_file *file = open_files[fd];
    open_files[fd] = NULL;
    file->descriptors--;
    if (file->descriptors > 0 || file->node == NULL || file == &root_file) {
        return;
    }
    files_release(file->node);
    free(file);
}

__wasi_errno_t
__wasi_fd_close(__wasi_fd_t fd)
{
    if (descriptor_file(fd) == NULL) {
        return __WASI_ERRNO_BADF;
    }
    /* libc reaches all paths through this one, and nothing could open a stream again. */
    if (fd > ROOT_DESCRIPTOR) {
        let_go(fd);
    }
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_renumber(__wasi_fd_t fd, __wasi_fd_t to)
{
    if (descriptor_file(fd) == NULL || descriptor_file(to) == NULL || to == ROOT_DESCRIPTOR) {
        return __WASI_ERRNO_BADF;
    }
    if (fd == to) {
        return __WASI_ERRNO_SUCCESS;
    }
    let_go(to);
    open_files[to] = open_files[fd];
    open_files[to]->descriptors++;
    return __wasi_fd_close(fd);
}

int
dup(int fd)
{
    __wasi_fd_t copy;
    struct open_file *file = descriptor_file((__wasi_fd_t)fd);
    __wasi_errno_t error = file == NULL ? __WASI_ERRNO_BADF : free_descriptor(&copy);
    if (error) {
        errno = error;
        return -1;
    }
    open_files[copy] = file;
    file->descriptors++;
    return (int)copy;
}

__wasi_errno_t
__wasi_fd_fdstat_get(__wasi_fd_t fd, __wasi_fdstat_t *stat)
{
    const struct open_file *file = descriptor_file(fd);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    *stat = (__wasi_fdstat_t){
        .fs_filetype = file->node != NULL ? file->node->type : __WASI_FILETYPE_UNKNOWN,
        .fs_flags = file->flags,
        .fs_rights_base = file->rights,
        .fs_rights_inheriting = file->node != NULL ? FOR_BOTH : 0,
    };
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_fdstat_set_flags(__wasi_fd_t fd, __wasi_fdflags_t flags)
{
    struct open_file *file = descriptor_file(fd);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    file->flags = flags;
    return __WASI_ERRNO_SUCCESS;
}

/* libc asks for what the host has opened: the root. */
__wasi_errno_t
__wasi_fd_prestat_get(__wasi_fd_t fd, __wasi_prestat_t *prestat)
{
    if (fd != ROOT_DESCRIPTOR) {
        return __WASI_ERRNO_BADF;
    }
    *prestat = (__wasi_prestat_t){.tag = __WASI_PREOPENTYPE_DIR, .u.dir.pr_name_len = 1};
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_prestat_dir_name(__wasi_fd_t fd, uint8_t *path, __wasi_size_t length)
{
    if (fd != ROOT_DESCRIPTOR || length < 1) {
        return __WASI_ERRNO_BADF;
    }
    *path = '/';
    return __WASI_ERRNO_SUCCESS;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static __wasi_errno_t
read_at(struct open_file *file, uint64_t offset, const __wasi_iovec_t *vectors, size_t count, __wasi_size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        size_t read = files_read(file->node, offset + *length, vectors[i].buf, vectors[i].buf_len);
        *length += read;
        if (read < vectors[i].buf_len) {
            break;
        }
    }
    return __WASI_ERRNO_SUCCESS;
}

static __wasi_errno_t
write_at(struct open_file *file, uint64_t offset, const __wasi_ciovec_t *vectors, size_t count, __wasi_size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        size_t written;
        __wasi_errno_t error = files_write(file->node, offset + *length, vectors[i].buf, vectors[i].buf_len, &written);
        *length += written;
        if (error) {
            return *length > 0 ? __WASI_ERRNO_SUCCESS : error;
        }
        if (written < vectors[i].buf_len) {
            break;
        }
    }
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_read(__wasi_fd_t fd, const __wasi_iovec_t *vectors, size_t count, __wasi_size_t *length)
{
    struct open_file *file = descriptor_file(fd);
    if (file != NULL && file->node == NULL) {
        return (__wasi_errno_t)host_fd_read(file->stream, vectors, count, length);
    }
    __wasi_errno_t error = file_of(fd, __WASI_RIGHTS_FD_READ, &file);
    if (!error) {
        error = read_at(file, file->offset, vectors, count, length);
        file->offset += *length;
    }
    return error;
}

__wasi_errno_t
__wasi_fd_write(__wasi_fd_t fd, const __wasi_ciovec_t *vectors, size_t count, __wasi_size_t *length)
{
    struct open_file *file = descriptor_file(fd);
    if (file != NULL && file->node == NULL) {
        return (__wasi_errno_t)host_fd_write(file->stream, vectors, count, length);
    }
    __wasi_errno_t error = file_of(fd, __WASI_RIGHTS_FD_WRITE, &file);
    if (!error) {
        if (file->flags & __WASI_FDFLAGS_APPEND) {
            file->offset = file->node->content.size;
        }
        error = write_at(file, file->offset, vectors, count, length);
        file->offset += *length;
    }
    return error;
}

__wasi_errno_t
__wasi_fd_pread(__wasi_fd_t fd, const __wasi_iovec_t *vectors, size_t count, __wasi_filesize_t offset, __wasi_size_t *length)
{
    struct open_file *file;
    __wasi_errno_t error = file_of(fd, __WASI_RIGHTS_FD_READ, &file);
    return error ? error : read_at(file, offset, vectors, count, length);
}

__wasi_errno_t
__wasi_fd_pwrite(__wasi_fd_t fd, const __wasi_ciovec_t *vectors, size_t count, __wasi_filesize_t offset, __wasi_size_t *length)
{
    struct open_file *file;
    __wasi_errno_t error = file_of(fd, __WASI_RIGHTS_FD_WRITE, &file);
    return error ? error : write_at(file, offset, vectors, count, length);
}

__wasi_errno_t
__wasi_fd_seek(__wasi_fd_t fd, __wasi_filedelta_t delta, __wasi_whence_t whence, __wasi_filesize_t *offset)
{
    struct open_file *file;
    __wasi_errno_t error = file_of(fd, 0, &file);
    if (error) {
        return error;
    }
    uint64_t from = whence == __WASI_WHENCE_SET ? 0 : whence == __WASI_WHENCE_CUR ? file->offset : file->node->content.size;
    int64_t target;
    if (whence > __WASI_WHENCE_END || __builtin_add_overflow((int64_t)from, delta, &target) || target < 0) {
        return __WASI_ERRNO_INVAL;
    }
    *offset = file->offset = (uint64_t)target;
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_tell(__wasi_fd_t fd, __wasi_filesize_t *offset)
{
    return __wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, offset);
}

__wasi_errno_t
__wasi_fd_filestat_set_size(__wasi_fd_t fd, __wasi_filesize_t size)
{
    struct open_file *file;
    __wasi_errno_t error = file_of(fd, __WASI_RIGHTS_FD_WRITE, &file);
    return error ? error : files_resize(file->node, size);
}

/* Memory is as durable as it will be. */
static __wasi_errno_t
sync(__wasi_fd_t fd)
{
    return descriptor_file(fd) != NULL ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}

__wasi_errno_t
__wasi_fd_sync(__wasi_fd_t fd)
{
    return sync(fd);
}

__wasi_errno_t
__wasi_fd_datasync(__wasi_fd_t fd)
{
    return sync(fd);
}

__wasi_errno_t
__wasi_fd_advise(__wasi_fd_t fd, __wasi_filesize_t offset, __wasi_filesize_t length, __wasi_advice_t advice)
{
    (void)offset, (void)length, (void)advice;
    return sync(fd);
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static uint64_t
size_of(const struct node *node)
{
    return files_is_directory(node) ? node->directory.count : node->content.size;
}

__wasi_filestat_t
filestat_of(const struct node *node)
{
    return (__wasi_filestat_t){
        .dev = 1,
        .ino = node->number,
        .filetype = node->type,
        .nlink = node->names,
        .size = size_of(node),
        .atim = node->accessed,
        .mtim = node->modified,
        .ctim = node->changed,
    };
}

__wasi_errno_t
__wasi_fd_filestat_get(__wasi_fd_t fd, __wasi_filestat_t *stat)
{
    const struct open_file *file = descriptor_file(fd);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    *stat = file->node != NULL ? filestat_of(file->node) : (__wasi_filestat_t){0};
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
set_times(struct node *node, __wasi_timestamp_t accessed, __wasi_timestamp_t modified, __wasi_fstflags_t flags)
{
    if (node->read_only) {
        return __WASI_ERRNO_ROFS;
    }
    __wasi_timestamp_t now = files_now();
    if (flags & (__WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW)) {
        node->accessed = flags & __WASI_FSTFLAGS_ATIM ? accessed : now;
    }
    if (flags & (__WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW)) {
        node->modified = flags & __WASI_FSTFLAGS_MTIM ? modified : now;
    }
    node->changed = now;
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_fd_filestat_set_times(__wasi_fd_t fd, __wasi_timestamp_t accessed, __wasi_timestamp_t modified, __wasi_fstflags_t flags)
{
    struct open_file *file = descriptor_file(fd);
    if (file == NULL || file->node == NULL) {
        return __WASI_ERRNO_BADF;
    }
    return set_times(file->node, accessed, modified, flags);
}
