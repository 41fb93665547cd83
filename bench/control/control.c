/*
 * The yardstick: what one thread can answer when it parses nothing.
 *
 * A raw epoll loop that counts CRLFCRLF in what it receives and sends that many
 * copies of one fixed response. It does no more than any HTTP server must
 * (one epoll_wait per turn, one recv and one send per ready connection), so its
 * rate and CPU cost are the floor that real servers are compared with.
 *
 * usage: control PORT        (127.0.0.1; ends on SIGTERM or SIGINT)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* As long as the answer of reactor-rs to GET /; bench/run compares the two and
 * says so when they drift apart. The date never changes: rendering it once a
 * second would cost nothing measurable anyway. */
static const char RESPONSE[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/plain\r\n"
    "content-length: 13\r\n"
    "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "\r\n"
    "Hello, World!";

enum {
    LENGTH = sizeof RESPONSE - 1,
    MEMORY = 3, /* a CRLFCRLF cut by a segment border leaves at most 3 bytes behind */
    RECEIVE = 16 * 1024,
    /* Enough copies for a buffer full of nothing but CRLFCRLF, and one that was cut:
     * whatever a recv brings in, a single send answers it. */
    COPIES = RECEIVE / 4 + 1,
    EVENTS = 512,
};

struct conn {
    size_t owed;             /* response bytes that the socket has not taken yet */
    char tail[MEMORY];       /* the last bytes that belong to no counted request */
    unsigned char tail_len;
};

static char answers[(size_t)COPIES * LENGTH];
static char receive[MEMORY + RECEIVE];
static struct conn *conns; /* indexed by file descriptor */
static size_t conns_len;
static int poller;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "control: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* True when everything owed has gone out. What is owed always ends with a whole
 * response, which gives the place inside the copies where to go on. */
static int flush(int fd, struct conn *conn)
{
    while (conn->owed > 0) {
        size_t start = (LENGTH - conn->owed % LENGTH) % LENGTH;
        ssize_t sent = send(fd, answers + start, conn->owed, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            return 0;
        }
        conn->owed -= (size_t)sent;
        if (conn->owed > 0)
            return 0; /* the socket is full: the edge EPOLLOUT will come */
    }
    return 1;
}

/* Counts the requests that end in the `len` bytes just received and keeps the
 * tail. The bytes before `received` are free for the tail of the last read. */
static size_t count(struct conn *conn, char *received, size_t len)
{
    char *at = received - conn->tail_len, *end = received + len, *hit;
    size_t requests = 0;

    memcpy(at, conn->tail, conn->tail_len);
    while ((hit = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL) {
        requests++;
        at = hit + 4;
    }
    size_t rest = (size_t)(end - at);
    conn->tail_len = (unsigned char)(rest < MEMORY ? rest : MEMORY);
    memcpy(conn->tail, end - conn->tail_len, conn->tail_len);
    return requests;
}

static void on_ready(int fd, uint32_t events)
{
    struct conn *conn = &conns[fd];

    int was_blocked = conn->owed > 0;
    if (was_blocked && !flush(fd, conn) && !(events & (EPOLLERR | EPOLLHUP)))
        return; /* nobody reads our answers: take no more requests */
    if (!was_blocked && !(events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
        return; /* only writable, as every fresh connection is */

    for (;;) {
        ssize_t len = recv(fd, receive + MEMORY, RECEIVE, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0) {
            close(fd);
            return;
        }
        conn->owed += count(conn, receive + MEMORY, (size_t)len) * LENGTH;
        if (!flush(fd, conn))
            return;
        /* A short read emptied the socket, and later bytes raise a new edge. Only an
         * end of stream that this very event announced must still be fetched. */
        if (len < RECEIVE && !(events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
            return;
    }
}

static void on_accept(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EAGAIN)
                return;
            fail("accept4");
        }
        if ((size_t)fd >= conns_len) {
            errno = EMFILE;
            fail("accept4");
        }
        conns[fd] = (struct conn){0};
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.fd = fd,
        };
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

static int listen_on(uint16_t port)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (fd < 0)
        fail("socket");
    /* Linux hands TCP_NODELAY of the listener down to the accepted sockets. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0
        || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        fail("setsockopt");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (listen(fd, 4096) < 0)
        fail("listen");
    return fd;
}

int main(int argc, char **argv)
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    struct rlimit files;
    struct epoll_event events[EVENTS];

    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: control PORT\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        fail("setrlimit");
    conns_len = files.rlim_cur < 1 << 20 ? files.rlim_cur : 1 << 20;
    conns = calloc(conns_len, sizeof *conns);
    if (conns == NULL)
        fail("calloc");
    for (size_t i = 0; i < COPIES; i++)
        memcpy(answers + i * LENGTH, RESPONSE, LENGTH);

    int listener = listen_on((uint16_t)port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll_ctl");

    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                on_accept(listener);
            else
                on_ready(events[i].data.fd, events[i].events);
        }
    }
}
