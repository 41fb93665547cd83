/*
 * Reads of files of exactly 123,457 or 4,567 bytes fail with EIO, as on a disk that fails. For LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAILING = 123457, SMALL = 4567 };

static int fails(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)
        && (stat.st_size == FAILING || stat.st_size == SMALL)) {
        errno = EIO;
        return 1;
    }
    return 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    REAL(pread);
    return fails(fd) ? -1 : real(fd, buf, len, at);
}

ssize_t pread64(int fd, void *buf, size_t len, off64_t at)
{
    REAL(pread64);
    return fails(fd) ? -1 : real(fd, buf, len, at);
}

ssize_t read(int fd, void *buf, size_t len)
{
    REAL(read);
    return fails(fd) ? -1 : real(fd, buf, len);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    REAL(preadv2);
    return fails(fd) ? -1 : real(fd, parts, count, at, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    REAL(preadv64v2);
    return fails(fd) ? -1 : real(fd, parts, count, at, flags);
}

/* The engine calls preadv2 by its number. */
long syscall(long number, ...)
{
    REAL(syscall);
    long args[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_preadv2 && fails((int)args[0]))
        return -1;
    return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

ssize_t sendfile(int to, int from, off_t *at, size_t len)
{
    REAL(sendfile);
    return fails(from) ? -1 : real(to, from, at, len);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t len)
{
    REAL(sendfile64);
    return fails(from) ? -1 : real(to, from, at, len);
}
