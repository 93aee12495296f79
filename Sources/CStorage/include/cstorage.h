#ifndef CSTORAGE_H
#define CSTORAGE_H

/// Registers a SQLite VFS (sqlite.org/vfs.html) named `name`: the default one, but that of a file written by a thread for which
/// `is_patient` answers 1, every `piece` bytes are made durable as they come, and `rest` is called after that. Without it a large
/// transaction, or checkpoint, gives all of its bytes to the disk at its end at once, and who syncs one small record then waits for
/// them. Where that fails, so does whatever is written to this file, or synced, from then on.
/// Gives SQLITE_OK or another result code of SQLite. To be called once; `name` must stay.
int cstorage_register_steady(const char *name, int piece, int (*is_patient)(void), void (*rest)(void));

#endif
