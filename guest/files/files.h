/* The tree of files in the guest's own memory: tree.c has its names, content.c its bytes, rules.c what a program may open.
 * descriptors.c, paths.c and posix.c make it what libc's functions see. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasi/api.h>

enum { NAME_BYTES_MAX = 255, PATH_BYTES_MAX = 4096 };

struct node;

/* A node's name in a directory. */
struct name {
    struct name *next_in_bucket;
    struct name *before, *after; /* in the order in which the names were made */
    struct node *directory, *node;
    uint64_t serial; /* never used again in this memory; cookies of a listing are serials */
    uint32_t hash;
    uint32_t length;
    char text[];
};

struct directory {
    struct name **buckets;
    size_t bucket_count, count;
    struct name *first, *last;
    struct name *own; /* NULL for the root and for a directory that was removed */
};

/* The bytes of a file, in blocks. A block that is absent is zeros. Only the first block can be shorter than the others. */
struct content {
    unsigned char **blocks;
    size_t block_count;
    size_t first_block_bytes;
    uint64_t size;
};

struct node {
    __wasi_filetype_t type; /* regular file, directory or symbolic link */
    uint16_t permissions;
    bool read_only;
    uint64_t number;
    uint32_t names, uses; /* without either, it is freed */
    __wasi_timestamp_t accessed, modified, changed;
    union {
        struct directory directory;
        struct content content; /* of a symbolic link: its target */
    };
};

/* Where a path leads. */
struct place {
    struct node *node;      /* NULL if the last name does not exist */
    struct node *directory; /* the directory that has, or would have, the last name */
    struct name *entry;     /* that name; NULL if it does not exist, and for a path that ends in no name: `/`, `.`, `..` */
    const char *text;       /* the last name's text; NULL for a path that ends in no name */
    size_t length;
    bool wants_directory; /* the path ends with a slash */
};

struct node *files_root(void);
__wasi_timestamp_t files_now(void);

static inline bool
files_is_directory(const struct node *node)
{
    return node->type == __WASI_FILETYPE_DIRECTORY;
}

/* Marks content, or a directory's names, as changed now. */
static inline void
files_changed(struct node *node)
{
    node->modified = node->changed = files_now();
}

/* Where `path`, relative to the directory `from`, leads; NOENT only if one of its directories is missing. */
__wasi_errno_t files_find(struct node *from, const char *path, size_t length, bool follow, struct place *found);
/* The absolute path of a directory, or of a name in one. Returns its length; 0 if the directory was removed or the path is
 * longer than PATH_BYTES_MAX. */
size_t files_path(const struct node *directory, const char *text, size_t length, char path[PATH_BYTES_MAX + 1]);

/* Makes a node at a place that has none. */
__wasi_errno_t files_make(struct place *place, __wasi_filetype_t type);
__wasi_errno_t files_link(struct place *place, struct node *node);
__wasi_errno_t files_unlink(struct place *place);
__wasi_errno_t files_rename(struct place *from, struct place *to);
/* The name after the one with this serial; 0 begins. NULL at the end. */
const struct name *files_next(const struct node *directory, uint64_t serial);

void files_use(struct node *node);
void files_release(struct node *node);

size_t files_read(struct node *node, uint64_t offset, void *bytes, size_t length);
/* Writes as much as there is memory for; an error only if that is nothing. */
__wasi_errno_t files_write(struct node *node, uint64_t offset, const void *bytes, size_t length, size_t *written);
__wasi_errno_t files_resize(struct node *node, uint64_t size);
void files_free_content(struct content *content);

/* Makes everything below a directory, and itself, read-only. */
void files_fix(struct node *directory);

/* From now on, what a program may open: files of these names, and for writing those whose names match a pattern. All are
 * relative to /work; both lists end with NULL and must live on. `NULL` for both permits everything again. */
void files_restrict(const char *const *names, const char *const *patterns);
bool files_may_read(const struct place *place);
bool files_may_write(const struct place *place);
/* Whether a relative path matches a pattern: `?`, `*` and `[…]` within a name, `**` for any number of directories. */
bool files_match(const char *pattern, const char *path);

#endif
