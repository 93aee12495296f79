#include "cstorage.h"
#include <sqlite3.h>

// One for the whole process: SQLite knows a VFS by its name.
static sqlite3_vfs steady;
/// For files whose own have version 1, 2 and 3.
static sqlite3_io_methods methods[3];
static int piece_bytes;
static int (*is_patient)(void);
static void (*rest)(void);

struct file {
    sqlite3_file base;
    /// Written since it was made durable the last time.
    sqlite3_int64 written;
    /// What came of making it durable early, where that failed. The system tells of it once: who asks again would be told that all is well.
    int failure;
    /// SQLite's own, in the space behind this.
    sqlite3_file real[];
};

static sqlite3_vfs *below(void) { return steady.pAppData; }
static sqlite3_file *real(sqlite3_file *file) { return ((struct file *)file)->real; }

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at) {
    struct file *own = (struct file *)file;
    if (own->failure) return own->failure;
    int code = own->real->pMethods->xWrite(own->real, bytes, count, at);
    if (code != SQLITE_OK) return code;
    own->written += count;
    if (own->written < piece_bytes || !is_patient()) return SQLITE_OK;
    own->written = 0;
    own->failure = own->real->pMethods->xSync(own->real, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (!own->failure) rest();
    return own->failure;
}

static int file_sync(sqlite3_file *file, int flags) {
    struct file *own = (struct file *)file;
    if (own->failure) return own->failure;
    own->written = 0;
    return real(file)->pMethods->xSync(real(file), flags);
}

static int file_close(sqlite3_file *file) {
    int code = real(file)->pMethods->xClose(real(file));
    file->pMethods = 0;
    return code;
}

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at) {
    return real(file)->pMethods->xRead(real(file), bytes, count, at);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size) { return real(file)->pMethods->xTruncate(real(file), size); }
static int file_size(sqlite3_file *file, sqlite3_int64 *size) { return real(file)->pMethods->xFileSize(real(file), size); }
static int file_lock(sqlite3_file *file, int lock) { return real(file)->pMethods->xLock(real(file), lock); }
static int file_unlock(sqlite3_file *file, int lock) { return real(file)->pMethods->xUnlock(real(file), lock); }
static int file_is_reserved(sqlite3_file *file, int *answer) { return real(file)->pMethods->xCheckReservedLock(real(file), answer); }
static int file_control(sqlite3_file *file, int operation, void *argument) {
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
static int file_sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int file_characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **memory) {
    return real(file)->pMethods->xShmMap(real(file), region, size, extend, memory);
}
static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void file_shm_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int file_shm_unmap(sqlite3_file *file, int delete) { return real(file)->pMethods->xShmUnmap(real(file), delete); }
static int file_fetch(sqlite3_file *file, sqlite3_int64 at, int count, void **bytes) {
    return real(file)->pMethods->xFetch(real(file), at, count, bytes);
}
static int file_unfetch(sqlite3_file *file, sqlite3_int64 at, void *bytes) {
    return real(file)->pMethods->xUnfetch(real(file), at, bytes);
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *given) {
    struct file *own = (struct file *)file;
    own->base.pMethods = 0;
    own->written = 0;
    own->failure = SQLITE_OK;
    int code = below()->xOpen(below(), path, own->real, flags, given);
    // Also after an error SQLite closes a file that has methods (sqlite.org/c3ref/io_methods.html).
    if (own->real->pMethods) {
        int version = own->real->pMethods->iVersion;
        own->base.pMethods = &methods[version < 1 ? 0 : version > 3 ? 2 : version - 1];
    }
    return code;
}

int cstorage_register_steady(const char *name, int piece, int (*patient)(void), void (*resting)(void)) {
    sqlite3_vfs *found = sqlite3_vfs_find(0);
    if (!found) return SQLITE_ERROR;
    piece_bytes = piece;
    is_patient = patient;
    rest = resting;
    for (int version = 1; version <= 3; version++) methods[version - 1] = (sqlite3_io_methods){
        .iVersion = version, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync,
        .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_is_reserved,
        .xFileControl = file_control, .xSectorSize = file_sector_size, .xDeviceCharacteristics = file_characteristics,
        .xShmMap = file_shm_map, .xShmLock = file_shm_lock, .xShmBarrier = file_shm_barrier, .xShmUnmap = file_shm_unmap,
        .xFetch = file_fetch, .xUnfetch = file_unfetch,
    };
    // What is not about a file's bytes is the default's own, which reads nothing of this but names and sizes.
    steady = *found;
    steady.pNext = 0;
    steady.zName = name;
    steady.szOsFile = (int)sizeof(struct file) + found->szOsFile;
    steady.pAppData = found;
    steady.xOpen = open_file;
    return sqlite3_vfs_register(&steady, 0);
}
