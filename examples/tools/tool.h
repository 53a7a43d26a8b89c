/* What mqtt-pub, mqtt-sub and mqtt-request share: options, output. */
#ifndef TOOL_H
#define TOOL_H

#include <mqtt.h>

#include <stdbool.h>

/* What the command line says. */
struct arguments {
    const char *url, *topic, *message, *client_id, *user, *password;
    const char *ca_file, *cert_file, *key_file, *proxy;
    const char *content_type, *response_topic;
    int qos, protocol, timeout_ms;
    long count, expiry_s, session_expiry_s;
    bool retain, lines, json, no_retained, verbose, insecure, keep_session;
    mqtt_props *properties;
    const char *names[64], *values[64];
    int property_count;
    const char *filters[64];
    int filter_count;
};

/* Reads the command line, and ends the program where that is wrong. usage is
 * the tool's own part of the help. */
struct arguments arguments_read(int argc, char **argv, const char *usage);

/* Connects, or tells why not and returns NULL. */
mqtt_client *tool_connect(const struct arguments *a);

/* Makes a message of some bytes with what the command line says of it. */
mqtt_msg *tool_message(const struct arguments *a, const void *payload,
                       size_t length);

/* Prints a message, as text or as one line of JSON. */
void tool_print(const struct arguments *a, const mqtt_msg *m);

/* Says what has failed, and returns 1. */
int tool_fail(const char *what);

/* Sends what is left, takes leave, and releases. */
int tool_leave(mqtt_client *c, int status);

#endif
