/*
 * Holds idle keep-alive connections, each of which has had one request answered.
 *
 * usage: idle_client PORT COUNT [PATH]
 *
 * Prints "ready" once all are open and answered, holds them until its standard
 * input ends, then prints how many the server has closed meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "response.h"

/* Linux gives a client about 28,000 ports for each pair of addresses, less what
 * others use, so every few thousand connections take the next 127.0.1.x. */
enum { PER_ADDRESS = 5000 };

static _Noreturn void fail(const char *what, long nth)
{
    fprintf(stderr, "idle_client: connection %ld: %s: %s\n", nth, what, strerror(errno));
    exit(1);
}

static int open_one(uint16_t port, long nth)
{
    int one = 1;
    struct timeval patience = {.tv_sec = 10};
    struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(0x7f000101 + (uint32_t)(nth / PER_ADDRESS)),
    };
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("socket", nth);
    /* Leaves the choice of the port to connect, which knows both addresses. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
        fail("bind", nth);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect", nth);
    return fd;
}

static void exchange(int fd, const char *request, long nth)
{
    char bytes[16 * 1024];
    size_t have = 0;
    struct response response = {0};

    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        fail("send", nth);
    while (response.length == 0) {
        ssize_t len = recv(fd, bytes + have, sizeof bytes - have, 0);
        if (len <= 0) {
            if (len == 0)
                errno = ECONNRESET;
            fail("recv", nth);
        }
        have += (size_t)len;
        response = response_at(bytes, have);
    }
    if (response.status != 200 || response.closes) {
        fprintf(stderr, "idle_client: unexpected answer: %.*s\n", (int)have, bytes);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long port = argc >= 3 ? atol(argv[1]) : 0, count = argc >= 3 ? atol(argv[2]) : 0;
    struct rlimit files;
    char request[1024], byte;

    if (port < 1 || port > 65535 || count < 1) {
        fprintf(stderr, "usage: idle_client PORT COUNT [PATH]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((rlim_t)count + 10 > files.rlim_cur) {
        fprintf(stderr, "idle_client: %ld connections need a higher limit of open files"
                        " than %lu (ulimit -Hn)\n", count, (unsigned long)files.rlim_cur);
        return 1;
    }
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
             argc > 3 ? argv[3] : "/");

    int *fds = calloc((size_t)count, sizeof *fds);
    if (fds == NULL)
        fail("calloc", 0);
    for (long i = 0; i < count; i++) {
        fds[i] = open_one((uint16_t)port, i);
        exchange(fds[i], request, i);
    }
    puts("ready");
    fflush(stdout);

    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    long closed = 0;
    for (long i = 0; i < count; i++) {
        ssize_t len = recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        closed += !(len < 0 && errno == EAGAIN);
    }
    printf("%ld\n", closed);
    return 0;
}
