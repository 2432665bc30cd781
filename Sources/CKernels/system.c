#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "System.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <fcntl.h>

#if defined(__linux__)
ssize_t ck_copy_file_range(int source, int64_t source_offset, int destination, int64_t destination_offset,
                           size_t count) {
    off64_t from = source_offset, to = destination_offset;
    return copy_file_range(source, &from, destination, &to, count, 0);
}

int ck_rename_exclusive(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int ck_rename_exchange(const char *a, const char *b) { return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); }
#else
ssize_t ck_copy_file_range(int source, int64_t source_offset, int destination, int64_t destination_offset,
                           size_t count) {
    (void)source, (void)source_offset, (void)destination, (void)destination_offset, (void)count;
    errno = ENOSYS;
    return -1;
}

int ck_rename_exclusive(const char *from, const char *to) { return renamex_np(from, to, RENAME_EXCL); }

int ck_rename_exchange(const char *a, const char *b) { return renamex_np(a, b, RENAME_SWAP); }
#endif

int ck_lock_range(int file) {
#ifdef F_OFD_SETLK
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(file, F_OFD_SETLK, &range);
#else
    (void)file;
    errno = ENOSYS;
    return -1;
#endif
}

static atomic_int interrupted;

static atomic_int unasked;

static void note(int number) {
    if (atomic_load(&unasked) > 0) {
        static const char message[] = "error: interrupted\n";
        if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(130);
        _exit(130);
    }
    atomic_store(&interrupted, 1);
    signal(number, SIG_DFL);
}

void ck_catch_interrupts(void) {
    // What is to be ignored, under nohup or in the background of a script, stays so.
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++)
        if (signal(numbers[i], note) == SIG_IGN) signal(numbers[i], SIG_IGN);
    // A closed pipe and a full quota are errors of the write that meets them.
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

int ck_interrupted(void) { return atomic_load(&interrupted); }

void ck_ends_at_once(int value) { atomic_fetch_add(&unasked, value); }

void ck_set_interrupted(int value) { atomic_store(&interrupted, value); }
