/* A bare socket that sends and reads the bytes of the same packets: what no
 * library can be quicker than. */
#include "measure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int s;

static void read_exactly(size_t count)
{
    char bytes[256];
    while (count > 0) {
        ssize_t some =
            read(s, bytes, count < sizeof bytes ? count : sizeof bytes);
        must(some > 0, "an answer");
        count -= (size_t)some;
    }
}

static void send_all(const void *bytes, size_t count)
{
    must(send(s, bytes, count, MSG_NOSIGNAL) == (ssize_t)count, "a send");
}

void bench_connect(int port)
{
    static const char connect_packet[] =
        "\x10\x12\0\4MQTT\5\2\0\x3c\0\0\5bench";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(s, (struct sockaddr *)&to, sizeof to) == 0, "a connection");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    send_all(connect_packet, sizeof connect_packet - 1);
    read_exactly(5);
}

/* 500 packets at once, as a library would gather them. */
void bench_publish(int qos, long count)
{
    enum { LENGTH = 2 + 2 + 5 + 1 + PAYLOAD, MANY = 500 };
    static char packets[MANY * LENGTH];
    (void)qos;
    for (int i = 0; i < MANY; i++) {
        char *packet = packets + i * LENGTH;
        memcpy(packet, "\x30\x48\0\5bench\0", 10);
        memcpy(packet + 10, payload, PAYLOAD);
    }
    for (; count > 0; count -= MANY) {
        size_t rest = sizeof packets;
        for (const char *at = packets; rest > 0;) {
            ssize_t some = send(s, at, rest, MSG_NOSIGNAL);
            must(some > 0, "a send");
            at += some;
            rest -= (size_t)some;
        }
    }
    send_all("\xc0\0", 2);
    read_exactly(2);
}

void bench_receive(const char *topic, int qos, long count)
{
    (void)topic;
    (void)qos;
    (void)count;
    must(0, "a library to measure");
}

void bench_echo_begin(void)
{
    send_all("\x82\x0a\0\1\0\0\4echo\0", 12);
    read_exactly(6);
}

void bench_echo(void)
{
    char packet[2 + 2 + 4 + 1 + PAYLOAD];
    memcpy(packet, "\x30\x47\0\4echo\0", 9);
    memcpy(packet + 9, payload, PAYLOAD);
    send_all(packet, sizeof packet);
    read_exactly(sizeof packet);
}

void bench_end(void)
{
    close(s);
}
