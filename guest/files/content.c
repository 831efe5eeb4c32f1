/* The bytes of files. */
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };
/* The table of blocks of the largest file has 256 KiB. */
static const uint64_t FILE_BYTES_MAX = UINT32_MAX;

void
files_free_content(struct content *content)
{
    for (size_t i = 0; i < content->block_count; i++) {
        free(content->blocks[i]);
    }
    free(content->blocks);
}

static size_t
block_bytes(const struct content *content, size_t block)
{
    return block == 0 ? content->first_block_bytes : BLOCK_BYTES;
}

size_t
files_read(struct node *node, uint64_t offset, void *bytes, size_t length)
{
    const struct content *content = &node->content;
    if (offset >= content->size) {
        return 0;
    }
    if (length > content->size - offset) {
        length = (size_t)(content->size - offset);
    }
    unsigned char *to = bytes;
    for (size_t left = length; left > 0;) {
        size_t block = (size_t)(offset / BLOCK_BYTES), at = (size_t)(offset % BLOCK_BYTES);
        size_t count = left < BLOCK_BYTES - at ? left : BLOCK_BYTES - at;
        size_t held = 0;
        if (block < content->block_count && content->blocks[block] != NULL && at < block_bytes(content, block)) {
            held = block_bytes(content, block) - at;
            held = held < count ? held : count;
            memcpy(to, content->blocks[block] + at, held);
        }
        memset(to + held, 0, count - held);
        to += count;
        offset += count;
        left -= count;
    }
    return length;
}

static bool
has_room_for_blocks(struct content *content, size_t count)
{
    if (count <= content->block_count) {
        return true;
    }
    unsigned char **blocks = realloc(content->blocks, count * sizeof *blocks);
    if (blocks == NULL) {
        return false;
    }
    memset(blocks + content->block_count, 0, (count - content->block_count) * sizeof *blocks);
    content->blocks = blocks;
    content->block_count = count;
    return true;
}

/* A block with room for its first `bytes` bytes; NULL without memory. */
static unsigned char *
block_for_writing(struct content *content, size_t block, size_t bytes)
{
    if (!has_room_for_blocks(content, block + 1)) {
        return NULL;
    }
    size_t held = content->blocks[block] != NULL ? block_bytes(content, block) : 0;
    if (held < bytes) {
        /* The first block grows, so that small files stay small. */
        size_t wanted = block > 0 || held * 2 > BLOCK_BYTES ? BLOCK_BYTES : bytes > held * 2 ? bytes : held * 2;
        unsigned char *grown = realloc(content->blocks[block], wanted);
        if (grown == NULL) {
            return NULL;
        }
        memset(grown + held, 0, wanted - held);
        content->blocks[block] = grown;
        if (block == 0) {
            content->first_block_bytes = wanted;
        }
    }
    return content->blocks[block];
}

__wasi_errno_t
files_write(struct node *node, uint64_t offset, const void *bytes, size_t length, size_t *written)
{
    struct content *content = &node->content;
    *written = 0;
    if (length == 0) {
        return __WASI_ERRNO_SUCCESS;
    }
    if (offset > FILE_BYTES_MAX || length > FILE_BYTES_MAX - offset) {
        return __WASI_ERRNO_FBIG;
    }
    for (const unsigned char *from = bytes; *written < length;) {
        size_t block = (size_t)(offset / BLOCK_BYTES), at = (size_t)(offset % BLOCK_BYTES);
        size_t left = length - *written;
        size_t count = left < BLOCK_BYTES - at ? left : BLOCK_BYTES - at;
        unsigned char *to = block_for_writing(content, block, at + count);
        if (to == NULL) {
            break;
        }
        memcpy(to + at, from, count);
        from += count;
        offset += count;
        *written += count;
    }
    if (*written == 0) {
        return __WASI_ERRNO_NOSPC;
    }
    if (offset > content->size) {
        content->size = offset;
    }
    files_changed(node);
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
files_resize(struct node *node, uint64_t size)
{
    struct content *content = &node->content;
    if (size > FILE_BYTES_MAX) {
        return __WASI_ERRNO_FBIG;
    }
    size_t kept = (size_t)((size + BLOCK_BYTES - 1) / BLOCK_BYTES);
    while (content->block_count > kept) {
        free(content->blocks[--content->block_count]);
    }
    if (content->block_count == 0) {
        content->first_block_bytes = 0;
    }
    /* What was cut off must not come back when the file grows. */
    size_t last = size == 0 ? 0 : kept - 1, end = (size_t)(size - (uint64_t)last * BLOCK_BYTES);
    if (kept > 0 && last < content->block_count && content->blocks[last] != NULL && end < block_bytes(content, last)) {
        memset(content->blocks[last] + end, 0, block_bytes(content, last) - end);
    }
    content->size = size;
    files_changed(node);
    return __WASI_ERRNO_SUCCESS;
}
