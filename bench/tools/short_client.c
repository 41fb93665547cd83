/*
 * A closed loop of connections that end after a given number of requests.
 *
 * usage: short_client PORT CONNECTIONS REQUESTS SECONDS REQUEST CLOSING
 *
 * Keeps CONNECTIONS open at once. On each it sends the bytes of the file REQUEST, waits for
 * the answer, and so on; the last of its REQUESTS is the file CLOSING, which asks the server
 * to close. Once the server has, another connection takes its place. wrk cannot do that
 * fairly: it takes a connection for kept where the answer to such a request does not say
 * "Connection: close", and sends a request in vain.
 *
 * The latency of a first request counts from connect. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "response.h"

enum { LONGEST_US = 1000 * 1000, ROOM = 16 * 1024 };

struct bytes {
    char *start;
    size_t length;
};

struct client {
    int fd;
    int left;   /* requests that have not been answered */
    int closes; /* all are answered, and the server is to close */
    size_t have;
    double since;
    char room[ROOM];
};

static int epoll;
static struct sockaddr_in to = {.sin_family = AF_INET};
static struct bytes request, closing;
static long requests_each, answered, connect_errors, read_errors, status_errors;
static unsigned latencies[LONGEST_US + 1];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "short_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct bytes contents(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct bytes bytes = {0};

    if (file == NULL || fseek(file, 0, SEEK_END) < 0)
        fail(path);
    bytes.length = (size_t)ftell(file);
    rewind(file);
    bytes.start = malloc(bytes.length);
    if (bytes.start == NULL || fread(bytes.start, 1, bytes.length, file) != bytes.length)
        fail(path);
    fclose(file);
    return bytes;
}

static void reopen(struct client *client);

/* A request is small enough for an empty socket buffer to take it whole. */
static int ask(struct client *client)
{
    struct bytes bytes = client->left == 1 ? closing : request;

    return send(client->fd, bytes.start, bytes.length, MSG_NOSIGNAL) == (ssize_t)bytes.length;
}

static void open_one(struct client *client)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    int one = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        fail("socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client->left = (int)requests_each;
    client->closes = 0;
    client->have = 0;
    client->since = now();
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("connect");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail("epoll_ctl");
}

static void reopen(struct client *client)
{
    close(client->fd);
    open_one(client);
}

static void connected(struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int error = 0;
    socklen_t length = sizeof error;

    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0 || !ask(client)) {
        connect_errors++;
        reopen(client);
        return;
    }
    epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void readable(struct client *client)
{
    ssize_t len = recv(client->fd, client->room + client->have, ROOM - client->have, 0);

    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0 || client->closes) {
        /* The end that was asked for; also by a reset, which some servers send. */
        read_errors += !client->closes;
        reopen(client);
        return;
    }
    client->have += (size_t)len;
    struct response response = response_at(client->room, client->have);
    if (response.length == 0) {
        if (client->have == ROOM) {
            read_errors++;
            reopen(client);
        }
        return;
    }
    double time = now();
    double us = (time - client->since) * 1e6;
    latencies[us < LONGEST_US ? (long)us : LONGEST_US]++;
    answered++;
    status_errors += response.status != 200;
    client->have = 0;
    client->since = time;
    if (--client->left == 0) {
        client->closes = 1;
    } else if (response.closes || !ask(client)) {
        read_errors++;
        reopen(client);
    }
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
    long port = argc == 7 ? atol(argv[1]) : 0, count = argc == 7 ? atol(argv[2]) : 0;
    double seconds = argc == 7 ? atof(argv[4]) : 0;
    struct rlimit files;
    struct epoll_event events[256];

    requests_each = argc == 7 ? atol(argv[3]) : 0;
    if (port < 1 || port > 65535 || count < 1 || requests_each < 1 || seconds <= 0) {
        fprintf(stderr, "usage: short_client PORT CONNECTIONS REQUESTS SECONDS REQUEST CLOSING\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    request = contents(argv[5]);
    closing = contents(argv[6]);
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    if (epoll < 0 || clients == NULL)
        fail("epoll_create1");
    double start = now();
    for (long i = 0; i < count; i++)
        open_one(&clients[i]);
    for (double left = seconds; left > 0; left = start + seconds - now()) {
        int ready = epoll_wait(epoll, events, 256, (int)(left * 1000) + 1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].events & EPOLLOUT)
                connected(events[i].data.ptr);
            else
                readable(events[i].data.ptr);
        }
    }
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"p50\":%ld,\"p99\":%ld,"
           "\"errors\":{\"connect\":%ld,\"read\":%ld,\"status\":%ld}}\n",
           answered, now() - start, percentile(0.5), percentile(0.99),
           connect_errors, read_errors, status_errors);
    return 0;
}
