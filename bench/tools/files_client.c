/*
 * Sends each of many requests once, over connections that are kept.
 *
 * usage: files_client PORT CONNECTIONS REQUESTS [FOLDER]
 *
 * REQUESTS is a file of requests without bodies. Each connection sends the next of them when it
 * has its answer; with the last answer all ends. With FOLDER the pages of its files are dropped
 * from memory first, which takes no privileges: then the server has to read the disk.
 *
 * Prints one line of JSON. Bodies are counted and thrown away.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_US = 10 * 1000 * 1000, HEAD = 8 * 1024, PIECE = 256 * 1024 };

struct client {
    int fd;
    size_t have; /* bytes of the head */
    long left;   /* bytes of the body that are to come; -1: the head is not complete */
    double since;
    char head[HEAD];
};

static const char *next, *end;
static long answered, bytes, read_errors, status_errors;
static long *latencies;
static char piece[PIECE];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "files_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int drop(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)place;
    if (kind != FTW_F)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    /* Pages that are not written yet stay. */
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

/* 0 where there are no more requests. */
static int ask(struct client *client)
{
    if (next == end)
        return 0;
    const char *after = memmem(next, (size_t)(end - next), "\r\n\r\n", 4);
    size_t length = (after == NULL ? (size_t)(end - next) : (size_t)(after + 4 - next));
    client->have = 0;
    client->left = -1;
    client->since = now();
    if (send(client->fd, next, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("send");
    next += length;
    return 1;
}

/* Bytes of the head; what is behind it belongs to the body. */
static void head(struct client *client, ssize_t len)
{
    client->have += (size_t)len;
    char *stop = memmem(client->head, client->have, "\r\n\r\n", 4);
    if (stop == NULL) {
        if (client->have == HEAD)
            fail("a head is too long");
        return;
    }
    status_errors += atoi(client->head + 9) != 200;
    *stop = '\0';
    char *length = strcasestr(client->head, "\r\ncontent-length:");
    if (length == NULL)
        fail("an answer without Content-Length");
    client->left = atol(length + 17) - (long)(client->have - (size_t)(stop + 4 - client->head));
}

/* 0 where the connection has no more to do. */
static int readable(struct client *client)
{
    int in_head = client->left < 0;
    ssize_t len = in_head ? recv(client->fd, client->head + client->have, HEAD - client->have, 0)
                          : recv(client->fd, piece, PIECE, 0);
    if (len < 0 && errno == EAGAIN)
        return 1;
    if (len <= 0) {
        read_errors++;
        return 0;
    }
    bytes += len;
    if (in_head)
        head(client, len);
    else
        client->left -= len;
    if (client->left != 0)
        return 1;
    double us = (now() - client->since) * 1e6;
    latencies[us < LONGEST_US ? (long)us : LONGEST_US]++;
    answered++;
    return ask(client);
}

static long percentile(double share)
{
    long wanted = (long)((double)answered * share), seen = 0;

    for (long us = 0; us <= LONGEST_US; us++) {
        seen += latencies[us];
        if (seen > wanted)
            return us;
    }
    return LONGEST_US;
}

int main(int argc, char **argv)
{
    long port = argc >= 4 ? atol(argv[1]) : 0, count = argc >= 4 ? atol(argv[2]) : 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event events[256];
    struct stat stat;

    if (port < 1 || port > 65535 || count < 1) {
        fprintf(stderr, "usage: files_client PORT CONNECTIONS REQUESTS [FOLDER]\n");
        return 2;
    }
    if (argc > 4 && nftw(argv[4], drop, 16, FTW_PHYS) != 0)
        fail(argv[4]);
    int file = open(argv[3], O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &stat) < 0)
        fail(argv[3]);
    char *all = malloc((size_t)stat.st_size);
    if (all == NULL || read(file, all, (size_t)stat.st_size) != stat.st_size)
        fail(argv[3]);
    next = all;
    end = all + stat.st_size;
    to.sin_port = htons((uint16_t)port);
    latencies = calloc(LONGEST_US + 1, sizeof *latencies);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (latencies == NULL || clients == NULL || epoll < 0)
        fail("epoll_create1");
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        int one = 1;
        clients[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (clients[i].fd < 0 || connect(clients[i].fd, (struct sockaddr *)&to, sizeof to) < 0)
            fail("connect");
        setsockopt(clients[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
            fail("epoll_ctl");
    }
    double start = now();
    long busy = 0;
    for (long i = 0; i < count; i++)
        busy += ask(&clients[i]);
    while (busy > 0) {
        int ready = epoll_wait(epoll, events, 256, 10 * 1000);
        if (ready == 0)
            fail("no answer for 10 s");
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!readable(client)) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, client->fd, NULL);
                busy--;
            }
        }
    }
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"bytes\":%ld,\"p50\":%ld,\"p99\":%ld,"
           "\"errors\":{\"read\":%ld,\"status\":%ld}}\n",
           answered, now() - start, bytes, percentile(0.5), percentile(0.99), read_errors,
           status_errors);
    return 0;
}
