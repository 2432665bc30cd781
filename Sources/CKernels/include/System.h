#pragma once
#include <stdint.h>
#include <sys/types.h>

// System calls that the Glibc module hides behind feature macros. Each returns -1 with errno set on failure.

/// copy_file_range with both offsets explicit; ENOSYS where the platform has none.
ssize_t ck_copy_file_range(int source, int64_t source_offset, int destination, int64_t destination_offset, size_t count);
/// Renames without replacing: EEXIST if the destination is there.
int ck_rename_exclusive(const char *from, const char *to);
/// Exchanges two existing paths atomically.
int ck_rename_exchange(const char *a, const char *b);
/// Takes the lock of all of an open file that goes with its descriptor, without waiting: EAGAIN or EACCES where another has it.
int ck_lock_range(int file);
/// Installs a handler for SIGINT, SIGTERM and SIGHUP that raises a flag, and restores the default so that a second one kills.
void ck_catch_interrupts(void);
/// Whether such a signal has come.
int ck_interrupted(void);
/// 1 before, -1 after what cannot look at the flag: meanwhile such a signal ends the process, with status 130.
void ck_ends_at_once(int value);
/// Raises the flag as the handler would (for tests); 0 lowers it.
void ck_set_interrupted(int value);
