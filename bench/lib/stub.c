/* A server that costs so little that the client is what is measured. It keeps
 * no state but one connection's, and knows these topics:
 *
 *     flood/QOS/COUNT   a subscription to it is answered with so many messages
 *     echo              what is published comes back
 *     anything else     what is published is acknowledged and thrown away
 *
 * It prints its port and serves each connection on a thread until it ends. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD = 64, INPUT = 1 << 18, OUTPUT = 1 << 18, WINDOW = 100 };

struct peer {
    int socket;
    /* What is left of a flood. */
    long to_send;
    int qos, unacknowledged;
    uint16_t id;
    size_t used;
    unsigned char in[INPUT], out[OUTPUT];
};

static int flush(struct peer *p)
{
    size_t sent = 0;
    while (sent < p->used) {
        ssize_t some =
            send(p->socket, p->out + sent, p->used - sent, MSG_NOSIGNAL);
        if (some <= 0)
            return -1;
        sent += (size_t)some;
    }
    p->used = 0;
    return 0;
}

static int put(struct peer *p, const void *bytes, size_t count)
{
    if (p->used + count > sizeof p->out && flush(p) < 0)
        return -1;
    memcpy(p->out + p->used, bytes, count);
    p->used += count;
    return 0;
}

/* Sends of a flood what fits into the window, and at QoS 0 a bufferful. */
static int flood(struct peer *p)
{
    unsigned char packet[2 + 7 + 2 + 1 + PAYLOAD] = {0};
    size_t head = 9;
    memcpy(packet + 2, "\0\5flood", 7);
    packet[0] = (unsigned char)(0x30 | p->qos << 1);
    size_t length = head + (p->qos > 0 ? 2u : 0u) + 1 + PAYLOAD;
    packet[1] = (unsigned char)(length - 2);
    long burst = OUTPUT / (long)length;
    while (p->to_send > 0 && burst-- > 0 &&
           (p->qos == 0 || p->unacknowledged < WINDOW)) {
        if (p->qos > 0) {
            p->id = (uint16_t)(p->id % 65535 + 1);
            packet[head] = (unsigned char)(p->id >> 8);
            packet[head + 1] = (unsigned char)p->id;
            p->unacknowledged++;
        }
        if (put(p, packet, length) < 0)
            return -1;
        p->to_send--;
    }
    return 0;
}

static int subscribe(struct peer *p, const unsigned char *body)
{
    unsigned char suback[] = {0x90, 4, body[0], body[1], 0, 0};
    size_t at = 3 + body[2];
    size_t length = (size_t)(body[at] << 8 | body[at + 1]);
    char filter[64] = {0};
    if (length < sizeof filter)
        memcpy(filter, body + at + 2, length);
    sscanf(filter, "flood/%d/%ld", &p->qos, &p->to_send);
    suback[5] = (unsigned char)p->qos;
    return put(p, suback, sizeof suback);
}

static int publish(struct peer *p, const unsigned char *packet, size_t head,
                   size_t whole)
{
    size_t topic = (size_t)(packet[head] << 8 | packet[head + 1]);
    const unsigned char *behind = packet + head + 2 + topic;
    if ((packet[0] & 6) == 2) {
        unsigned char puback[] = {0x40, 2, behind[0], behind[1]};
        return put(p, puback, sizeof puback);
    }
    if (topic == 4 && memcmp(packet + head + 2, "echo", 4) == 0)
        return put(p, packet, whole);
    return 0;
}

static int handle(struct peer *p, const unsigned char *packet, size_t head,
                  size_t whole)
{
    switch (packet[0] >> 4) {
    case 1:
        return put(p, "\x20\3\0\0\0", 5);
    case 3:
        return publish(p, packet, head, whole);
    case 4:
        p->unacknowledged--;
        return 0;
    case 8:
        return subscribe(p, packet + head);
    case 12:
        return put(p, "\xd0\0", 2);
    case 14:
        return -1;
    default:
        return 0;
    }
}

/* Handles all whole packets; returns how many bytes they were. */
static ssize_t handle_all(struct peer *p, size_t filled)
{
    size_t at = 0;
    while (filled - at >= 2) {
        const unsigned char *packet = p->in + at;
        size_t head = 1, rest = 0;
        int shift = 0;
        do {
            if (head >= filled - at)
                return (ssize_t)at;
            rest |= (size_t)(packet[head] & 0x7f) << shift;
            shift += 7;
        } while (packet[head++] & 0x80);
        if (head + rest > filled - at)
            return (ssize_t)at;
        if (handle(p, packet, head, head + rest) < 0)
            return -1;
        at += head + rest;
    }
    return (ssize_t)at;
}

static void *serve(void *argument)
{
    struct peer *p = argument;
    size_t filled = 0;
    for (;;) {
        int waits = p->to_send == 0 ||
                    (p->qos > 0 && p->unacknowledged >= WINDOW);
        ssize_t some = recv(p->socket, p->in + filled, sizeof p->in - filled,
                            waits ? 0 : MSG_DONTWAIT);
        if (some == 0 || (some < 0 && errno != EAGAIN))
            break;
        filled += some > 0 ? (size_t)some : 0;
        ssize_t used = handle_all(p, filled);
        if (used < 0)
            break;
        memmove(p->in, p->in + used, filled - (size_t)used);
        filled -= (size_t)used;
        if (flood(p) < 0 || flush(p) < 0)
            break;
    }
    close(p->socket);
    free(p);
    return NULL;
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(listener, 100) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &length) < 0)
        return 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        struct peer *p = calloc(1, sizeof *p);
        if (p == NULL || (p->socket = accept(listener, NULL, NULL)) < 0)
            return 1;
        setsockopt(p->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (pthread_create(&thread, NULL, serve, p) != 0)
            return 1;
        pthread_detach(thread);
    }
}
