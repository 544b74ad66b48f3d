// A library to be preloaded: ends the process at its n-th call that changes a file below a folder, before the
// call or, where it writes, half-way through it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char below[PATH_MAX];
static long left = -1, seen = 0;
static int halves = 0;

// at: 0 counts only.  in_half: a write is done by half first.
void of3_stop(const char *folder, long at, int in_half) {
    snprintf(below, sizeof below, "%s", folder);
    left = at;
    halves = in_half;
    seen = 0;
}

long of3_seen(void) { return seen; }

static int is_below(const char *path) { return below[0] && !strncmp(path, below, strlen(below)); }

static int is_fd_below(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return is_below(path);
}

// Whether the process is to end here.
static int is_last(void) {
    ++seen;
    return left > 0 && seen == left;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STOP(condition) if ((condition) && is_last()) _exit(99)

ssize_t write(int fd, const void *content, size_t size) {
    if (is_fd_below(fd) && is_last()) {
        if (halves) REAL(write)(fd, content, size / 2);
        _exit(99);
    }
    return REAL(write)(fd, content, size);
}

ssize_t pwrite(int fd, const void *content, size_t size, off_t at) {
    if (is_fd_below(fd) && is_last()) {
        if (halves) REAL(pwrite)(fd, content, size / 2, at);
        _exit(99);
    }
    return REAL(pwrite)(fd, content, size, at);
}

ssize_t pwrite64(int fd, const void *content, size_t size, off64_t at) {
    if (is_fd_below(fd) && is_last()) {
        if (halves) REAL(pwrite64)(fd, content, size / 2, at);
        _exit(99);
    }
    return REAL(pwrite64)(fd, content, size, at);
}

int fsync(int fd) { STOP(is_fd_below(fd)); return REAL(fsync)(fd); }
int fdatasync(int fd) { STOP(is_fd_below(fd)); return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { STOP(is_fd_below(fd)); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { STOP(is_fd_below(fd)); return REAL(ftruncate64)(fd, size); }
int rename(const char *from, const char *to) { STOP(is_below(to)); return REAL(rename)(from, to); }
int unlink(const char *path) { STOP(is_below(path)); return REAL(unlink)(path); }
int unlinkat(int fd, const char *path, int flags) {
    STOP(fd != AT_FDCWD && is_fd_below(fd));
    return REAL(unlinkat)(fd, path, flags);
}
int renameat(int from_fd, const char *from, int fd, const char *to) {
    STOP(fd == AT_FDCWD ? is_below(to) : is_fd_below(fd));
    return REAL(renameat)(from_fd, from, fd, to);
}
int mkdirat(int fd, const char *path, mode_t mode) {
    STOP(fd == AT_FDCWD ? is_below(path) : is_fd_below(fd));
    return REAL(mkdirat)(fd, path, mode);
}
int rmdir(const char *path) { STOP(is_below(path)); return REAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { STOP(is_below(path)); return REAL(mkdir)(path, mode); }
