#define _GNU_SOURCE
/* slow_readers PORT READERS BYTES MS SECONDS LARGE SMALL
 *
 * READERS connections ask for LARGE again and again, and each takes no more than BYTES
 * every MS milliseconds. Beside them 16 connections take turns to ask for SMALL, 200
 * times a second. Prints one line of JSON: how long the answers to these took, in
 * milliseconds from when each was due, and how much the readers got.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PROBES = 16, RATE = 200, MOST = 1 << 20 };

static int port, readers, bytes, every, seconds;
static const char *large, *small_;
static volatile int ready, over;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_one(int receive_buffer) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (fd < 0) die("socket");
  if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  return fd;
}

static void ask(int fd, const char *path) {
  char request[256];
  int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
  if (send(fd, request, n, MSG_NOSIGNAL) != n) die("send");
}

/* Reads one answer whole, which must be a 200 with its length; returns the length of all. */
static long answer(int fd) {
  static __thread char buffer[1 << 16];
  long got = 0, whole = -1;
  while (whole < 0 || got < whole) {
    ssize_t n = recv(fd, buffer + (whole < 0 ? got : 0), sizeof buffer - 1 - (whole < 0 ? got : 0), 0);
    if (n <= 0) die("an answer broke off");
    got += n;
    if (whole < 0) {
      buffer[got] = 0;
      char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "\r\ncontent-length:");
      if (!end) continue;
      if (strncmp(buffer, "HTTP/1.1 200", 12) || !length || length > end) {
        fprintf(stderr, "a wrong answer: %.80s\n", buffer);
        exit(1);
      }
      whole = end + 4 - buffer + atol(length + 17);
    }
  }
  return whole;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double *times;
static long count;

static void *probe(void *unused) {
  int fds[PROBES];
  for (int i = 0; i < PROBES; i++) {
    fds[i] = open_one(0);
    ask(fds[i], small_);
    answer(fds[i]);
  }
  while (!ready) usleep(1000);
  double begin = now();
  long most = (long)seconds * RATE;
  for (; count < most; count++) {
    double due = begin + (double)count / RATE;
    double wait = due - now();
    if (wait > 0) usleep(wait * 1e6);
    int fd = fds[count % PROBES];
    ask(fd, small_);
    answer(fd);
    times[count] = (now() - due) * 1e3;
    /* What takes for ever is told by what there is. */
    if (now() - begin > 3.0 * seconds) { count++; break; }
  }
  over = 1;
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: slow_readers PORT READERS BYTES MS SECONDS LARGE SMALL\n");
    return 2;
  }
  port = atoi(argv[1]), readers = atoi(argv[2]), bytes = atoi(argv[3]);
  every = atoi(argv[4]), seconds = atoi(argv[5]), large = argv[6], small_ = argv[7];
  if (bytes > MOST) bytes = MOST;
  times = calloc((size_t)seconds * RATE + 1, sizeof *times);
  pthread_t thread;
  pthread_create(&thread, NULL, probe, NULL);

  int first = open_one(0);
  ask(first, large);
  long whole = answer(first);
  close(first);
  int *fds = malloc(readers * sizeof *fds);
  long *got = calloc(readers, sizeof *got);
  double *next = calloc(readers, sizeof *next);
  char *buffer = malloc(MOST);
  for (int i = 0; i < readers; i++) {
    fds[i] = open_one(0);
    ask(fds[i], large);
  }
  double span = every / 1e3, begin = now();
  for (int i = 0; i < readers; i++) next[i] = begin + span * i / readers;
  ready = 1;
  double total = 0;
  long answers = 0;
  for (int i = 0; !over; i = (i + 1) % readers) {
    double wait = next[i] - now();
    if (wait > 0) usleep(wait * 1e6);
    next[i] = (wait < -span ? now() : next[i]) + span;
    ssize_t n = recv(fds[i], buffer, bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) die("a reader's answer broke off");
    total += n;
    got[i] += n;
    if (got[i] >= whole) {
      got[i] -= whole;
      answers++;
      ask(fds[i], large);
    }
  }
  double took = now() - begin;
  pthread_join(thread, NULL);
  qsort(times, count, sizeof *times, ascending);
  printf("{\"probes\":%ld,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"mibPerSecond\":%.1f,\"answers\":%ld}\n",
         count, times[count / 2], times[count * 99 / 100], times[count - 1], total / took / 1048576, answers);
  return 0;
}
