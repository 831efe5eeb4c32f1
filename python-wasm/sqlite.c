/* SQLite for the guest: the amalgamation with its settings. Files are those of the C library; there is one thread of one
 * process, without a temporary directory, extensions or maps of files.
 */
#define SQLITE_WASI 1
#define SQLITE_THREADSAFE 0
#define SQLITE_TEMP_STORE 3
#define SQLITE_MAX_MMAP_SIZE 0
#define SQLITE_DEFAULT_MEMSTATUS 0
#define SQLITE_DISABLE_DIRSYNC
#define SQLITE_OMIT_DEPRECATED
#define SQLITE_OMIT_LOAD_EXTENSION
#define SQLITE_OMIT_WAL
#define SQLITE_ENABLE_COLUMN_METADATA
#define SQLITE_ENABLE_FTS5
#define SQLITE_ENABLE_MATH_FUNCTIONS

/* The connections of a process know each other's locks; those of the system, which the C library does not have, are for
 * other processes. So the locks of SQLite's usual file system succeed. */
#define SQLITE_DEFAULT_UNIX_VFS "unix"
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 12
#define F_SETLK 13
#define F_SETLKW 14

static int
fcntl_without_locks(int descriptor, int command, ...)
{
    (void)descriptor;
    if (command == F_GETLK) {
        va_list arguments;
        va_start(arguments, command);
        va_arg(arguments, struct flock *)->l_type = F_UNLCK;
        va_end(arguments);
    }
    return 0;
}

#define fcntl fcntl_without_locks
#define SQLITE_EXTRA_INIT use_system_randomness
#include "../sqlite/sqlite3.c"

static int
system_randomness(sqlite3_vfs *vfs, int length, char *bytes)
{
    (void)vfs;
    for (int done = 0; done < length; done += 256) {
        getentropy(bytes + done, (size_t)(length - done < 256 ? length - done : 256));
    }
    return length;
}

/* There is no /dev/urandom for SQLite to read. */
int
use_system_randomness(const char *unused)
{
    (void)unused;
    sqlite3_vfs_find(NULL)->xRandomness = system_randomness;
    return SQLITE_OK;
}
