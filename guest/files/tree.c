/* A tree of files in the guest's own memory: directories, regular files, symbolic links.
 *
 * It is part of the image, of a kept or waiting interpreter, and counts towards the memory limit as everything else in
 * linear memory does. The host does not know about it. There is one user, who may do everything that the tree permits, as
 * POSIX's superuser may; permissions are kept and shown.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 8, LINKS_FOLLOWED_MAX = 40 };

static struct node root = {
    .type = __WASI_FILETYPE_DIRECTORY,
    .permissions = 0755,
    .number = 1,
    .names = 1,
};
static uint64_t last_node_number = 1;
/* A listing's cookies 1 and 2 stand behind `.` and `..`. */
static uint64_t last_serial = 2;

struct node *
files_root(void)
{
    return &root;
}

__wasi_timestamp_t
files_now(void)
{
    __wasi_timestamp_t now = 0;
    (void)__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &now);
    return now;
}

/* ---- names of a directory --------------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint32_t
hash_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 16777619;
    }
    return hash;
}

static struct name **
bucket_of(const struct directory *directory, uint32_t hash)
{
    return &directory->buckets[hash & (directory->bucket_count - 1)];
}

static struct name *
look_up(const struct node *node, const char *text, size_t length)
{
    const struct directory *directory = &node->directory;
    uint32_t hash = hash_of(text, length);
    struct name *name = directory->bucket_count == 0 ? NULL : *bucket_of(directory, hash);
    while (name != NULL && !(name->hash == hash && name->length == length && memcmp(name->text, text, length) == 0)) {
        name = name->next_in_bucket;
    }
    return name;
}

static void
put_into_bucket(struct directory *directory, struct name *name)
{
    struct name **bucket = bucket_of(directory, name->hash);
    name->next_in_bucket = *bucket;
    *bucket = name;
}

static bool
has_room_for_name(struct directory *directory)
{
    if (directory->count < directory->bucket_count) {
        return true;
    }
    size_t count = directory->bucket_count == 0 ? BUCKETS_MIN : directory->bucket_count * 2;
    struct name **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL) {
        return false;
    }
    free(directory->buckets);
    directory->buckets = buckets;
    directory->bucket_count = count;
    for (struct name *name = directory->first; name != NULL; name = name->after) {
        put_into_bucket(directory, name);
    }
    return true;
}

static __wasi_errno_t
add_name(struct node *node, const char *text, size_t length, struct node *target, struct name **added)
{
    struct directory *directory = &node->directory;
    struct name *name = malloc(sizeof *name + length);
    if (name == NULL || !has_room_for_name(directory)) {
        free(name);
        return __WASI_ERRNO_NOSPC;
    }
    *name = (struct name){
        .before = directory->last,
        .directory = node,
        .node = target,
        .serial = ++last_serial,
        .hash = hash_of(text, length),
        .length = (uint32_t)length,
    };
    memcpy(name->text, text, length);
    *(directory->last != NULL ? &directory->last->after : &directory->first) = name;
    directory->last = name;
    directory->count++;
    put_into_bucket(directory, name);
    target->names++;
    if (files_is_directory(target)) {
        target->directory.own = name;
    }
    files_changed(node);
    *added = name;
    return __WASI_ERRNO_SUCCESS;
}

static void
remove_name(struct name *name)
{
    struct directory *directory = &name->directory->directory;
    struct name **link = bucket_of(directory, name->hash);
    while (*link != name) {
        link = &(*link)->next_in_bucket;
    }
    *link = name->next_in_bucket;
    *(name->before != NULL ? &name->before->after : &directory->first) = name->after;
    *(name->after != NULL ? &name->after->before : &directory->last) = name->before;
    directory->count--;
    files_changed(name->directory);

    struct node *node = name->node;
    if (files_is_directory(node) && node->directory.own == name) {
        node->directory.own = NULL;
    }
    free(name);
    node->names--;
    node->changed = files_now();
    files_use(node);
    files_release(node);
}

const struct name *
files_next(const struct node *directory, uint64_t serial)
{
    const struct name *name = directory->directory.first;
    while (name != NULL && name->serial <= serial) {
        name = name->after;
    }
    return name;
}

/* ---- paths ------------------------------------------------------------------------------------------------------ */

static struct node *
parent_of(struct node *directory)
{
    return directory->directory.own != NULL ? directory->directory.own->directory : directory;
}

static __wasi_errno_t
find(struct node *from, const char *path, size_t length, bool follow, int *links_left, struct place *found);

/* Goes on from the symbolic link at `found` to where it leads. */
static __wasi_errno_t
follow_link(struct place *found, int *links_left)
{
    const struct content *target = &found->node->content;
    if ((*links_left)-- == 0) {
        return __WASI_ERRNO_LOOP;
    }
    /* The first block holds all of it. */
    return find(found->directory, (const char *)target->blocks[0], (size_t)target->size, true, links_left, found);
}

/* One name further. */
static __wasi_errno_t
step(struct place *found, const char *text, size_t length)
{
    struct node *directory = found->node;
    if (directory == NULL) {
        return __WASI_ERRNO_NOENT;
    }
    if (!files_is_directory(directory)) {
        return __WASI_ERRNO_NOTDIR;
    }
    if (length > NAME_BYTES_MAX) {
        return __WASI_ERRNO_NAMETOOLONG;
    }
    bool is_parent = length == 2 && memcmp(text, "..", 2) == 0;
    if (is_parent || (length == 1 && *text == '.')) {
        directory = is_parent ? parent_of(directory) : directory;
        *found = (struct place){.node = directory, .directory = directory};
        return __WASI_ERRNO_SUCCESS;
    }
    struct name *entry = look_up(directory, text, length);
    *found = (struct place){
        .node = entry != NULL ? entry->node : NULL,
        .directory = directory,
        .entry = entry,
        .text = text,
        .length = length,
    };
    return __WASI_ERRNO_SUCCESS;
}

static __wasi_errno_t
find(struct node *from, const char *path, size_t length, bool follow, int *links_left, struct place *found)
{
    const char *end = path + length;
    if (length > 0 && *path == '/') {
        from = &root;
    }
    *found = (struct place){.node = from, .directory = from};
    while (true) {
        bool after_slash = false;
        for (; path < end && *path == '/'; path++) {
            after_slash = true;
        }
        if (path == end) {
            found->wants_directory = after_slash;
            break;
        }
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *name_end = slash != NULL ? slash : end;
        __wasi_errno_t error = step(found, path, (size_t)(name_end - path));
        bool is_link = !error && found->node != NULL && found->node->type == __WASI_FILETYPE_SYMBOLIC_LINK;
        if (is_link && (name_end < end || follow)) {
            error = follow_link(found, links_left);
        }
        if (error) {
            return error;
        }
        path = name_end;
    }
    if (found->wants_directory && found->node != NULL && !files_is_directory(found->node)) {
        return __WASI_ERRNO_NOTDIR;
    }
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
files_find(struct node *from, const char *path, size_t length, bool follow, struct place *found)
{
    int links_left = LINKS_FOLLOWED_MAX;
    if (length == 0) {
        return __WASI_ERRNO_NOENT;
    }
    if (length > PATH_BYTES_MAX) {
        return __WASI_ERRNO_NAMETOOLONG;
    }
    if (memchr(path, '\0', length) != NULL) {
        return __WASI_ERRNO_INVAL;
    }
    return find(from, path, length, follow, &links_left, found);
}

size_t
files_path(const struct node *directory, const char *text, size_t length, char path[PATH_BYTES_MAX + 1])
{
    /* From its end to its beginning. */
    size_t begin = PATH_BYTES_MAX;
    while (true) {
        if (text != NULL) {
            if (length + 1 > begin) {
                return 0;
            }
            begin -= length;
            memcpy(path + begin, text, length);
            path[--begin] = '/';
        }
        const struct name *own = directory->directory.own;
        if (own == NULL) {
            break;
        }
        text = own->text;
        length = own->length;
        directory = own->directory;
    }
    if (directory != &root) {
        return 0;
    }
    if (begin == PATH_BYTES_MAX) {
        path[--begin] = '/';
    }
    memmove(path, path + begin, PATH_BYTES_MAX - begin);
    path[PATH_BYTES_MAX - begin] = '\0';
    return PATH_BYTES_MAX - begin;
}

/* ---- changes of the tree ---------------------------------------------------------------------------------------- */

void
files_use(struct node *node)
{
    node->uses++;
}

void
files_release(struct node *node)
{
    node->uses--;
    if (node->uses > 0 || node->names > 0) {
        return;
    }
    if (files_is_directory(node)) {
        free(node->directory.buckets); /* only empty directories lose their name */
    }
    else {
        files_free_content(&node->content);
    }
    free(node);
}

/* Why the names of a place's directory cannot be changed. */
static __wasi_errno_t
check_change(const struct place *place)
{
    if (!files_may_write(place)) {
        return __WASI_ERRNO_ACCES;
    }
    return place->directory->read_only ? __WASI_ERRNO_ROFS : __WASI_ERRNO_SUCCESS;
}

/* Why a place cannot get a name, apart from a lack of memory. */
static __wasi_errno_t
check_new_name(const struct place *place)
{
    if (place->text == NULL || place->entry != NULL) {
        return __WASI_ERRNO_EXIST;
    }
    /* A directory without a name that is not the root has been removed. */
    if (place->directory != &root && place->directory->directory.own == NULL) {
        return __WASI_ERRNO_NOENT;
    }
    return check_change(place);
}

__wasi_errno_t
files_make(struct place *place, __wasi_filetype_t type)
{
    __wasi_errno_t error = check_new_name(place);
    if (error) {
        return error;
    }
    if (place->wants_directory && type != __WASI_FILETYPE_DIRECTORY) {
        return __WASI_ERRNO_NOENT;
    }
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return __WASI_ERRNO_NOSPC;
    }
    __wasi_timestamp_t now = files_now();
    *node = (struct node){
        .type = type,
        .permissions = type == __WASI_FILETYPE_DIRECTORY ? 0755 : type == __WASI_FILETYPE_REGULAR_FILE ? 0644 : 0777,
        .number = ++last_node_number,
        .accessed = now,
        .modified = now,
        .changed = now,
    };
    error = add_name(place->directory, place->text, place->length, node, &place->entry);
    if (error) {
        free(node);
        return error;
    }
    place->node = node;
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
files_link(struct place *place, struct node *node)
{
    __wasi_errno_t error = check_new_name(place);
    if (error) {
        return error;
    }
    if (files_is_directory(node)) {
        return __WASI_ERRNO_PERM;
    }
    return add_name(place->directory, place->text, place->length, node, &place->entry);
}

/* Why a name cannot be taken away. */
static __wasi_errno_t
check_old_name(const struct place *place)
{
    if (place->node == NULL) {
        return __WASI_ERRNO_NOENT;
    }
    if (place->entry == NULL) {
        return __WASI_ERRNO_BUSY;
    }
    return check_change(place);
}

__wasi_errno_t
files_unlink(struct place *place)
{
    __wasi_errno_t error = check_old_name(place);
    if (error) {
        return error;
    }
    if (files_is_directory(place->node) && place->node->directory.count > 0) {
        return __WASI_ERRNO_NOTEMPTY;
    }
    remove_name(place->entry);
    return __WASI_ERRNO_SUCCESS;
}

/* Whether `directory` is `ancestor` or lies below it. */
static bool
is_within(struct node *directory, const struct node *ancestor)
{
    while (directory != ancestor && parent_of(directory) != directory) {
        directory = parent_of(directory);
    }
    return directory == ancestor;
}

__wasi_errno_t
files_rename(struct place *from, struct place *to)
{
    __wasi_errno_t error = check_old_name(from);
    if (error) {
        return error;
    }
    struct node *node = from->node;
    if (to->node == node && to->entry != NULL) {
        return __WASI_ERRNO_SUCCESS;
    }
    if (files_is_directory(node) && is_within(to->directory, node)) {
        return __WASI_ERRNO_INVAL;
    }
    if (to->wants_directory && !files_is_directory(node)) {
        return __WASI_ERRNO_NOTDIR;
    }
    if (to->node == NULL) {
        error = check_new_name(to);
    }
    else {
        error = check_old_name(to);
        if (!error && files_is_directory(to->node) != files_is_directory(node)) {
            error = files_is_directory(node) ? __WASI_ERRNO_NOTDIR : __WASI_ERRNO_ISDIR;
        }
        if (!error && files_is_directory(node) && to->node->directory.count > 0) {
            error = __WASI_ERRNO_NOTEMPTY;
        }
    }
    if (error) {
        return error;
    }
    struct name *added;
    struct name *replaced = to->entry;
    error = add_name(to->directory, to->text, to->length, node, &added);
    if (error) {
        return error;
    }
    remove_name(from->entry);
    if (replaced != NULL) {
        remove_name(replaced);
    }
    return __WASI_ERRNO_SUCCESS;
}

void
files_fix(struct node *directory)
{
    directory->read_only = true;
    directory->permissions = 0555;
    for (struct name *name = directory->directory.first; name != NULL; name = name->after) {
        if (files_is_directory(name->node)) {
            files_fix(name->node);
        }
        else {
            name->node->read_only = true;
            name->node->permissions &= (uint16_t)~0222;
        }
    }
}
