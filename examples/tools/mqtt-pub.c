/* mqtt-pub: publishes a message, or each line of standard input. */
#define _POSIX_C_SOURCE 200809L
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char usage[] =
    "-t TOPIC (-m TEXT | --lines | < FILE) [OPTIONS]\n"
    "Publishes TEXT, or each line of standard input, or all of it at once.\n"
    "\n"
    "  -m, --message TEXT     what to publish\n"
    "  -l, --lines            each line of standard input is a message\n"
    "  -r, --retain           the server keeps it for later subscribers\n"
    "      --expiry SECONDS   the lifetime of the message\n"
    "      --content-type T   what the payload is\n"
    "      --response-topic T where an answer is wanted";

/* Waits until the queue has room again; failures of messages come up here. */
static int until_writable(mqtt_client *c, int timeout_ms)
{
    const mqtt_event *e;
    while ((e = mqtt_client_next_event(c, timeout_ms)) != NULL) {
        if (mqtt_event_type(e) == MQTT_EVENT_WRITABLE)
            return 0;
        if (mqtt_event_type(e) == MQTT_EVENT_PUBLISH_DONE ||
            mqtt_event_type(e) == MQTT_EVENT_STOPPED) {
            fprintf(stderr, "not published: %s\n", mqtt_event_message(e));
            return 1;
        }
    }
    fprintf(stderr, "not published: the server takes nothing\n");
    return 1;
}

static int publish(mqtt_client *c, const struct arguments *a,
                   const void *payload, size_t length, mqtt_op *op)
{
    int status = 0;
    mqtt_status result;
    mqtt_msg *m = tool_message(a, payload, length);
    if (m == NULL)
        return 1;
    while ((result = mqtt_client_publish_msg(c, m, op)) == MQTT_E_FULL &&
           status == 0)
        status = until_writable(c, a->timeout_ms);
    mqtt_msg_unref(m);
    if (result != MQTT_OK && result != MQTT_E_FULL)
        return tool_fail("not published");
    return status;
}

static int publish_lines(mqtt_client *c, const struct arguments *a)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int status = 0;
    while (status == 0 && (length = getline(&line, &size, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            length--;
        status = publish(c, a, line, (size_t)length, NULL);
    }
    free(line);
    return status;
}

/* All of standard input; NULL if there is no memory for it. */
static char *read_all(size_t *length)
{
    size_t size = 65536;
    char *all = malloc(size);
    *length = 0;
    while (all != NULL) {
        size_t some = fread(all + *length, 1, size - *length, stdin);
        *length += some;
        if (some == 0)
            break;
        if (*length == size) {
            char *larger = realloc(all, size *= 2);
            if (larger == NULL)
                free(all);
            all = larger;
        }
    }
    return all;
}

static int publish_one(mqtt_client *c, const struct arguments *a)
{
    size_t length = a->message == NULL ? 0 : strlen(a->message);
    char *all = a->message == NULL ? read_all(&length) : NULL;
    if (a->message == NULL && all == NULL) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    mqtt_op op = 0;
    mqtt_reason reason = MQTT_RC_SUCCESS;
    int status = publish(c, a, all == NULL ? a->message : all, length, &op);
    free(all);
    if (status == 0 &&
        mqtt_client_wait(c, op, a->timeout_ms, &reason) != MQTT_OK)
        status = tool_fail("not published");
    if (status == 0 && a->verbose)
        fprintf(stderr, "published: %s\n", mqtt_reason_name(reason));
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_read(argc, argv, usage);
    mqtt_client *c = tool_connect(&a);
    if (c == NULL)
        return 1;
    return tool_leave(c, a.lines ? publish_lines(c, &a) : publish_one(c, &a));
}
