/* What a program may open, where its policy permits only the files of its request. */
#include "files.h"

#include <fnmatch.h>
#include <string.h>

static const char WORK[] = "/work/";
static const char PACKAGES[] = "/packages/";

static const char *const *readable_names, *const *writable_patterns;

void
files_restrict(const char *const *names, const char *const *patterns)
{
    readable_names = names;
    writable_patterns = patterns;
}

/* Where the first name of a path ends. */
static const char *
end_of_name(const char *path)
{
    return path + strcspn(path, "/");
}

bool
files_match(const char *pattern, const char *path)
{
    while (true) {
        const char *pattern_end = end_of_name(pattern);
        if (pattern_end - pattern == 2 && memcmp(pattern, "**", 2) == 0) {
            if (*pattern_end == '\0') {
                return true;
            }
            for (; path != NULL; path = strchr(path, '/') != NULL ? strchr(path, '/') + 1 : NULL) {
                if (files_match(pattern_end + 1, path)) {
                    return true;
                }
            }
            return false;
        }
        const char *path_end = end_of_name(path);
        char name_pattern[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
        size_t pattern_length = (size_t)(pattern_end - pattern), length = (size_t)(path_end - path);
        if (pattern_length > NAME_BYTES_MAX || length > NAME_BYTES_MAX) {
            return false;
        }
        memcpy(name_pattern, pattern, pattern_length);
        name_pattern[pattern_length] = '\0';
        memcpy(name, path, length);
        name[length] = '\0';
        if (fnmatch(name_pattern, name, FNM_NOESCAPE) != 0 || (*pattern_end == '\0') != (*path_end == '\0')) {
            return false;
        }
        if (*pattern_end == '\0') {
            return true;
        }
        pattern = pattern_end + 1;
        path = path_end + 1;
    }
}

/* The path of a place relative to the directory `prefix`; NULL if it lies elsewhere. */
static const char *
path_below(const struct place *place, const char *prefix, char path[PATH_BYTES_MAX + 1])
{
    if (files_path(place->directory, place->text, place->length, path) == 0) {
        return NULL;
    }
    size_t length = strlen(prefix);
    return strncmp(path, prefix, length) == 0 ? path + length : NULL;
}

bool
files_may_write(const struct place *place)
{
    if (writable_patterns == NULL) {
        return true;
    }
    char path[PATH_BYTES_MAX + 1];
    const char *relative = path_below(place, WORK, path);
    for (const char *const *pattern = writable_patterns; relative != NULL && *pattern != NULL; pattern++) {
        if (files_match(*pattern, relative)) {
            return true;
        }
    }
    return false;
}

bool
files_may_read(const struct place *place)
{
    if (readable_names == NULL || (place->node != NULL && files_is_directory(place->node)) || files_may_write(place)) {
        return true;
    }
    char path[PATH_BYTES_MAX + 1];
    if (path_below(place, PACKAGES, path) != NULL) {
        return true;
    }
    const char *relative = path_below(place, WORK, path);
    for (const char *const *name = readable_names; relative != NULL && *name != NULL; name++) {
        if (strcmp(*name, relative) == 0) {
            return true;
        }
    }
    return false;
}
