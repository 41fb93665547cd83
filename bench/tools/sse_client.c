/*
 * Counts server-sent events that many clients get.
 *
 * usage: sse_client PORT COUNT SECONDS [PATH]
 *
 * Opens COUNT connections and asks on each for PATH. Once every one has had an
 * event it prints "ready" and waits for a line on its standard input; then it counts
 * for SECONDS and prints one line of JSON: the events, the seconds, and the
 * connections that ended meanwhile. An event ends with an empty line, "\n\n", which
 * neither the head nor the framing of chunks contains.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20 * 1000 };

struct client {
    int fd;
    char last; /* the last byte that came */
    char has_event;
};

static int epoll;
static long waiting, ended;
static char bytes[256 * 1024];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "sse_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void open_one(struct client *client, uint16_t port, const char *request)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail("socket");
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    if (send(client->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        fail("send");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail("epoll_ctl");
}

/* Reads once and returns how many events ended. */
static long read_one(struct client *client)
{
    ssize_t len = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    long events = 0;

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len <= 0) {
        close(client->fd);
        ended++;
        return 0;
    }
    for (char *at = bytes, *end = bytes + len; at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL)
            break;
        events += (at > bytes ? at[-1] : client->last) == '\n';
    }
    client->last = bytes[len - 1];
    if (events > 0 && !client->has_event) {
        client->has_event = 1;
        waiting--;
    }
    return events;
}

/* All that comes until a time; with `all`, no longer than until all have had one. */
static long run(double until, int all)
{
    struct epoll_event events[256];
    long count = 0;

    for (;;) {
        double left = until - now();
        if (left <= 0 || (all && waiting == 0))
            return count;
        int ready = epoll_wait(epoll, events, 256, (int)(left * 1000) + 1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++)
            count += read_one(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    long port = argc >= 4 ? atol(argv[1]) : 0, count = argc >= 4 ? atol(argv[2]) : 0;
    double seconds = argc >= 4 ? atof(argv[3]) : 0;
    struct rlimit files;
    char request[1024], line[16];

    if (port < 1 || port > 65535 || count < 1 || seconds <= 0) {
        fprintf(stderr, "usage: sse_client PORT COUNT SECONDS [PATH]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n",
             argc > 4 ? argv[4] : "/");

    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    if (epoll < 0 || clients == NULL)
        fail("epoll_create1");
    waiting = count;
    for (long i = 0; i < count; i++)
        open_one(&clients[i], (uint16_t)port, request);
    run(now() + PATIENCE_MS / 1e3, 1);
    if (waiting > 0) {
        fprintf(stderr, "sse_client: %ld of %ld connections have had no event after %d s\n",
                waiting, count, PATIENCE_MS / 1000);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;

    double start = now();
    ended = 0;
    long events = run(start + seconds, 0);
    printf("{\"events\":%ld,\"seconds\":%.6f,\"ended\":%ld}\n", events, now() - start, ended);
    return 0;
}
