/* WASI preview 1's functions of paths and directories, as libc calls them. */
#include "descriptors.h"

#include <string.h>

static __wasi_errno_t
find(__wasi_fd_t fd, const char *path, bool follow, struct place *place)
{
    struct node *directory;
    __wasi_errno_t error = descriptor_directory(fd, &directory);
    return error ? error : files_find(directory, path, strlen(path), follow, place);
}

/* A place that must have a node. */
static __wasi_errno_t
find_node(__wasi_fd_t fd, const char *path, bool follow, struct place *place)
{
    __wasi_errno_t error = find(fd, path, follow, place);
    return !error && place->node == NULL ? __WASI_ERRNO_NOENT : error;
}

static bool
follows(__wasi_lookupflags_t flags)
{
    return flags & __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW;
}

/* Whether a place that exists may be opened. */
static __wasi_errno_t
check_open(const struct place *place, __wasi_oflags_t flags, bool writes)
{
    const struct node *node = place->node;
    if ((flags & __WASI_OFLAGS_CREAT) && (flags & __WASI_OFLAGS_EXCL)) {
        return __WASI_ERRNO_EXIST;
    }
    if (node->type == __WASI_FILETYPE_SYMBOLIC_LINK) {
        return __WASI_ERRNO_LOOP;
    }
    if ((flags & __WASI_OFLAGS_DIRECTORY) && !files_is_directory(node)) {
        return __WASI_ERRNO_NOTDIR;
    }
    if (writes && files_is_directory(node)) {
        return __WASI_ERRNO_ISDIR;
    }
    if (!(writes ? files_may_write(place) : files_may_read(place))) {
        return __WASI_ERRNO_ACCES;
    }
    return writes && node->read_only ? __WASI_ERRNO_ROFS : __WASI_ERRNO_SUCCESS;
}

/* Finds or makes the file to open. */
static __wasi_errno_t
prepare_open(struct place *place, __wasi_oflags_t flags, bool writes)
{
    if (place->node != NULL) {
        __wasi_errno_t error = check_open(place, flags, writes || (flags & __WASI_OFLAGS_TRUNC));
        return !error && (flags & __WASI_OFLAGS_TRUNC) ? files_resize(place->node, 0) : error;
    }
    /* What a program may not read, it cannot look for either. */
    if (!files_may_read(place)) {
        return __WASI_ERRNO_ACCES;
    }
    return flags & __WASI_OFLAGS_CREAT ? files_make(place, __WASI_FILETYPE_REGULAR_FILE) : __WASI_ERRNO_NOENT;
}

__wasi_errno_t
__wasi_path_open(__wasi_fd_t fd, __wasi_lookupflags_t lookup, const char *path, __wasi_oflags_t flags, __wasi_rights_t rights,
                 __wasi_rights_t inheriting, __wasi_fdflags_t fdflags, __wasi_fd_t *opened)
{
    (void)inheriting;
    struct place place;
    __wasi_errno_t error = find(fd, path, follows(lookup), &place);
    error = error ? error : prepare_open(&place, flags, rights & __WASI_RIGHTS_FD_WRITE);
    return error ? error : descriptor_open(place.node, rights, fdflags, opened);
}

__wasi_errno_t
__wasi_path_filestat_get(__wasi_fd_t fd, __wasi_lookupflags_t lookup, const char *path, __wasi_filestat_t *stat)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, follows(lookup), &place);
    if (!error) {
        *stat = filestat_of(place.node);
    }
    return error;
}

__wasi_errno_t
__wasi_path_filestat_set_times(__wasi_fd_t fd, __wasi_lookupflags_t lookup, const char *path, __wasi_timestamp_t accessed,
                               __wasi_timestamp_t modified, __wasi_fstflags_t flags)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, follows(lookup), &place);
    if (error) {
        return error;
    }
    return files_may_write(&place) ? set_times(place.node, accessed, modified, flags) : __WASI_ERRNO_ACCES;
}

__wasi_errno_t
__wasi_path_create_directory(__wasi_fd_t fd, const char *path)
{
    struct place place;
    __wasi_errno_t error = find(fd, path, false, &place);
    return error ? error : files_make(&place, __WASI_FILETYPE_DIRECTORY);
}

__wasi_errno_t
__wasi_path_link(__wasi_fd_t from_fd, __wasi_lookupflags_t lookup, const char *from, __wasi_fd_t to_fd, const char *to)
{
    struct place source, place;
    __wasi_errno_t error = find_node(from_fd, from, follows(lookup), &source);
    error = error ? error : find(to_fd, to, false, &place);
    if (error) {
        return error;
    }
    return files_may_write(&source) ? files_link(&place, source.node) : __WASI_ERRNO_ACCES;
}

__wasi_errno_t
__wasi_path_symlink(const char *target, __wasi_fd_t fd, const char *path)
{
    struct place place;
    size_t length = strlen(target), written;
    if (length == 0 || length > PATH_BYTES_MAX) {
        return length == 0 ? __WASI_ERRNO_NOENT : __WASI_ERRNO_NAMETOOLONG;
    }
    __wasi_errno_t error = find(fd, path, false, &place);
    error = error ? error : files_make(&place, __WASI_FILETYPE_SYMBOLIC_LINK);
    if (error) {
        return error;
    }
    error = files_write(place.node, 0, target, length, &written);
    if (error) {
        files_unlink(&place);
    }
    return error;
}

__wasi_errno_t
__wasi_path_readlink(__wasi_fd_t fd, const char *path, uint8_t *target, __wasi_size_t capacity, __wasi_size_t *length)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, false, &place);
    if (error) {
        return error;
    }
    if (place.node->type != __WASI_FILETYPE_SYMBOLIC_LINK) {
        return __WASI_ERRNO_INVAL;
    }
    *length = files_read(place.node, 0, target, capacity);
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_path_remove_directory(__wasi_fd_t fd, const char *path)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, false, &place);
    if (error) {
        return error;
    }
    return files_is_directory(place.node) ? files_unlink(&place) : __WASI_ERRNO_NOTDIR;
}

__wasi_errno_t
__wasi_path_unlink_file(__wasi_fd_t fd, const char *path)
{
    struct place place;
    __wasi_errno_t error = find_node(fd, path, false, &place);
    if (error) {
        return error;
    }
    return files_is_directory(place.node) ? __WASI_ERRNO_ISDIR : files_unlink(&place);
}

__wasi_errno_t
__wasi_path_rename(__wasi_fd_t from_fd, const char *from, __wasi_fd_t to_fd, const char *to)
{
    struct place source, target;
    __wasi_errno_t error = find(from_fd, from, false, &source);
    error = error ? error : find(to_fd, to, false, &target);
    return error ? error : files_rename(&source, &target);
}

/* ---- listings --------------------------------------------------------------------------------------------------- */

/* Where a listing is written. */
struct listing {
    uint8_t *bytes;
    size_t left;
};

/* Writes as much of an entry as fits; WASI has the caller ask for the rest again. Returns whether all of it did. */
static bool
list(struct listing *listing, uint64_t cookie, const struct node *node, const char *text, size_t length)
{
    __wasi_dirent_t entry = {.d_next = cookie, .d_ino = node->number, .d_namlen = (uint32_t)length, .d_type = node->type};
    const struct { const void *bytes; size_t length; } parts[] = {{&entry, sizeof entry}, {text, length}};
    for (size_t i = 0; i < 2; i++) {
        size_t count = parts[i].length < listing->left ? parts[i].length : listing->left;
        memcpy(listing->bytes, parts[i].bytes, count);
        listing->bytes += count;
        listing->left -= count;
        if (count < parts[i].length) {
            return false;
        }
    }
    return true;
}

__wasi_errno_t
__wasi_fd_readdir(__wasi_fd_t fd, uint8_t *bytes, __wasi_size_t capacity, __wasi_dircookie_t cookie, __wasi_size_t *length)
{
    struct node *directory;
    __wasi_errno_t error = descriptor_directory(fd, &directory);
    if (error) {
        return error;
    }
    struct listing listing = {bytes, capacity};
    struct place parent;
    bool has_room = files_find(directory, "..", 2, false, &parent) == __WASI_ERRNO_SUCCESS;
    has_room = has_room && (cookie > 0 || list(&listing, 1, directory, ".", 1));
    has_room = has_room && (cookie > 1 || list(&listing, 2, parent.node, "..", 2));
    const struct name *name = files_next(directory, cookie);
    while (has_room && name != NULL) {
        has_room = list(&listing, name->serial, name->node, name->text, name->length);
        name = name->after;
    }
    *length = capacity - listing.left;
    return __WASI_ERRNO_SUCCESS;
}
