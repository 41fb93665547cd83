/*
 * Reads of a file of exactly 123,457 bytes fail with EIO, as on a disk that fails. For LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAILING = 123457 };

static int fails(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size == FAILING) {
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
