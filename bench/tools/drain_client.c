/*
 * A client that knows the fate of every request it has written, to find out
 * whether a server that is told to stop loses any.
 *
 * usage: drain_client PORT [-c CONNECTIONS] [-d DEPTH] [-s SLOW] [-n CHURN] [-t SECONDS] [-p PATH]
 *
 * -c  connections, each always waiting for an answer (200)
 * -d  requests per write (1)
 * -s  further connections that POST /echo with a body in two halves, 20 ms apart (0);
 *     the server must have that route
 * -n  requests after which a connection is replaced by a new one (0: never)
 * -t  seconds after which it gives up on connections that stay open (30)
 *
 * Prints "ready" once every connection has had an answer, goes on until the server
 * has closed them all, then prints the counts as one line of JSON:
 *
 * answered    complete responses; those with a status other than 200 are `refused`
 * lost        written while the connection stood, then EOF or reset without a byte of
 *             an answer. The state is read after send() has returned: loopback delivers
 *             within it, so the bytes lay at the server before its FIN left.
 *             `oldest` is the longest time in µs from such a write to the close: a few
 *             µs are a race nobody can see, more is a server that did not look
 * partial     an answer that began and was cut off
 * raced       the server's FIN arrived while send() ran: it had closed first
 * declined    written behind one whose answer said "Connection: close" (RFC 9112 §9.6)
 * cut         closed by the server before the request was written in full
 * unaccepted  as `lost`, on a connection that never had an answer (only with -n: such
 *             may still have waited in the listener's queue)
 * open        connections still open at the end
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "response.h"

enum { BUFFER = 64 * 1024, HALF = 512, PAUSE_US = 20 * 1000 };

struct conn {
    int fd;
    int slow;
    int raced;        /* the peer had closed when the last send() returned */
    int closing;      /* an answer said "Connection: close" */
    int waiting;      /* written, not yet answered */
    int half;         /* slow: the first half is out */
    long served;      /* answers on this connection */
    int64_t wrote_at; /* µs */
    size_t have;
    char *bytes;
};

static struct {
    long answered, refused, lost, partial, raced, declined, cut, unaccepted, opened;
    int64_t oldest;
} counts;

static struct conn *conns;
static int poller, depth = 1, open_conns, stopping;
static long churn;
static uint16_t port;
static char *request, *slow_request;
static size_t request_len, slow_head;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "drain_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int stands(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0
        && info.tcpi_state == TCP_ESTABLISHED;
}

static void forget(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
    open_conns--;
}

/* Blocking, for on loopback a connection stands at once; a queue that is full makes
 * it wait for a retransmission, so -n wants fewer connections than the backlog. */
static int connect_to(struct conn *conn)
{
    int one = 1;
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        if (errno != ECONNREFUSED && errno != ECONNRESET)
            fail("connect");
        close(fd);
        return 0;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    conn->fd = fd;
    conn->raced = conn->closing = conn->waiting = conn->half = 0;
    conn->served = 0;
    conn->have = 0;
    open_conns++;
    counts.opened++;
    return 1;
}

/* False when the server has closed already, so that nothing was written. */
static int put(struct conn *conn, const char *bytes, size_t len)
{
    if (!stands(conn->fd))
        return 0;
    ssize_t sent = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0)
        return 0;
    if ((size_t)sent < len) {
        errno = EMSGSIZE; /* a blocking socket takes a few KiB whole */
        fail("send");
    }
    conn->wrote_at = now_us();
    conn->raced = !stands(conn->fd);
    return 1;
}

static void ask(struct conn *conn)
{
    if (conn->slow) {
        conn->half = put(conn, slow_request, slow_head + HALF);
        if (!conn->half)
            forget(conn);
        return;
    }
    if (put(conn, request, request_len))
        conn->waiting = depth;
    else
        forget(conn);
}

static void ask_rest(struct conn *conn)
{
    if (put(conn, slow_request + slow_head + HALF, HALF)) {
        conn->waiting = 1;
        conn->half = 0;
    } else {
        counts.cut++;
        forget(conn);
    }
}

static void on_close(struct conn *conn)
{
    int waiting = conn->waiting;

    if (conn->half)
        counts.cut++;
    if (waiting > 0 && conn->have > 0) {
        counts.partial++;
        waiting--;
    }
    if (waiting > 0) {
        if (conn->closing) {
            counts.declined += waiting;
        } else if (conn->raced) {
            counts.raced += waiting;
        } else if (churn && conn->served == 0) {
            counts.unaccepted += waiting;
        } else {
            int64_t age = now_us() - conn->wrote_at;
            counts.lost += waiting;
            if (age > counts.oldest)
                counts.oldest = age;
        }
    }
    forget(conn);
}

static void take_answers(struct conn *conn)
{
    size_t at = 0;
    struct response response;

    while ((response = response_at(conn->bytes + at, conn->have - at)).length > 0) {
        at += response.length;
        counts.answered++;
        counts.refused += response.status != 200;
        conn->served++;
        conn->waiting--;
        if (response.closes) {
            conn->closing = 1;
            break;
        }
    }
    conn->have -= at;
    memmove(conn->bytes, conn->bytes + at, conn->have);
    if (conn->closing || conn->waiting > 0 || conn->half)
        return;
    if (churn && conn->served >= churn) {
        forget(conn);
        /* Once refused the listener has gone, and no more are opened. */
        if (stopping || !connect_to(conn)) {
            stopping = 1;
            return;
        }
    }
    ask(conn);
}

static void on_readable(struct conn *conn)
{
    ssize_t len = recv(conn->fd, conn->bytes + conn->have, BUFFER - conn->have, MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        on_close(conn);
        return;
    }
    conn->have += (size_t)len;
    if (conn->closing) {
        conn->have = 0; /* answers behind a close are no answers */
        return;
    }
    take_answers(conn);
}

static char *repeat(const char *text, int times)
{
    size_t len = strlen(text);
    char *all = malloc(len * (size_t)times + 1);
    if (all == NULL)
        fail("malloc");
    for (int i = 0; i < times; i++)
        memcpy(all + (size_t)i * len, text, len + 1);
    return all;
}

static void prepare(const char *path)
{
    char text[1024], body[2 * HALF + 1];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    request = repeat(text, depth);
    request_len = strlen(request);

    memset(body, 'b', sizeof body - 1);
    body[sizeof body - 1] = 0;
    slow_head = (size_t)snprintf(text, sizeof text,
        "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n", 2 * HALF);
    slow_request = malloc(slow_head + sizeof body);
    if (slow_request == NULL)
        fail("malloc");
    memcpy(slow_request, text, slow_head);
    memcpy(slow_request + slow_head, body, sizeof body);
}

int main(int argc, char **argv)
{
    int wanted = 200, slow = 0, option, ready = 0;
    long seconds = 30;
    const char *path = "/";
    struct epoll_event events[256];

    while ((option = getopt(argc, argv, "c:d:s:n:t:p:")) != -1) {
        switch (option) {
        case 'c': wanted = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 's': slow = atoi(optarg); break;
        case 'n': churn = atol(optarg); break;
        case 't': seconds = atol(optarg); break;
        case 'p': path = optarg; break;
        default: return 2;
        }
    }
    port = (uint16_t)(optind < argc ? atoi(argv[optind]) : 0);
    if (port == 0 || wanted + slow < 1 || depth < 1 || depth > 64) {
        fprintf(stderr, "usage: drain_client PORT [-c CONNECTIONS] [-d DEPTH] [-s SLOW]"
                        " [-n CHURN] [-t SECONDS] [-p PATH]\n");
        return 2;
    }
    prepare(path);
    poller = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)(wanted + slow), sizeof *conns);
    if (poller < 0 || conns == NULL)
        fail("start");
    for (int i = 0; i < wanted + slow; i++) {
        conns[i].bytes = malloc(BUFFER);
        conns[i].slow = i >= wanted;
        if (conns[i].bytes == NULL || !connect_to(&conns[i]))
            fail("connect");
        ask(&conns[i]);
    }

    int64_t until = now_us() + seconds * 1000000;
    while (open_conns > 0 && now_us() < until) {
        int n = epoll_wait(poller, events, 256, 10);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++)
            on_readable(events[i].data.ptr);

        int64_t now = slow > 0 ? now_us() : 0;
        for (int i = wanted; i < wanted + slow; i++) {
            if (conns[i].fd >= 0 && conns[i].half && now - conns[i].wrote_at >= PAUSE_US)
                ask_rest(&conns[i]);
        }
        if (!ready) {
            ready = 1;
            for (int i = 0; i < wanted + slow && !churn; i++)
                ready &= conns[i].served > 0 || conns[i].fd < 0;
            ready &= counts.answered > wanted;
            if (ready) {
                puts("ready");
                fflush(stdout);
            }
        }
    }
    printf("{\"answered\":%ld,\"refused\":%ld,\"lost\":%ld,\"oldest\":%lld,\"partial\":%ld,"
           "\"raced\":%ld,\"declined\":%ld,\"cut\":%ld,\"unaccepted\":%ld,\"opened\":%ld,"
           "\"open\":%d}\n",
           counts.answered, counts.refused, counts.lost, (long long)counts.oldest, counts.partial,
           counts.raced, counts.declined, counts.cut, counts.unaccepted, counts.opened, open_conns);
    return 0;
}
