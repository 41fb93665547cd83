/* The little of HTTP responses that the clients here must understand. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct response {
    size_t length; /* head and body; 0 while incomplete */
    int status;
    int closes;    /* "Connection: close": nothing after it will be answered */
};

/* Looks at the response at the front of `len` bytes. Bodies have a Content-Length
 * or are empty; chunked ones are not understood. */
static struct response response_at(const char *bytes, size_t len)
{
    struct response found = {0};
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    if (end == NULL || len < 12)
        return found;
    size_t body = 0;
    for (const char *line = bytes; line < end;) {
        const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if (line == bytes)
            found.status = atoi(line + 9);
        else if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
        else if (strncasecmp(line, "connection: close", 17) == 0)
            found.closes = 1;
        line = next + 2;
    }
    size_t length = (size_t)(end + 4 - bytes) + body;
    if (length <= len)
        found.length = length;
    return found;
}

#endif
