/* LD_PRELOAD: the process may start THREADS more threads, then the system has none left. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *kind, void *(*start)(void *), void *given) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static int left = -1;
    if (!real) {
        real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
        const char *given_left = getenv("THREADS");
        left = given_left ? atoi(given_left) : 1 << 20;
    }
    if (__sync_fetch_and_sub(&left, 1) <= 0) return EAGAIN;
    return real(thread, kind, start, given);
}
