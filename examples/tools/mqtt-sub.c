/* mqtt-sub: subscribes, and prints what comes. */
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "-t FILTER [-t FILTER]... [OPTIONS]\n"
    "Prints the messages that match the filters, until it is interrupted.\n"
    "\n"
    "  -C, --count N          end after so many messages\n"
    "      --no-retained      leave out what the server has kept";

/* What the signal's handler wakes; it is set before the handler is. */
static mqtt_client *client;
static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
    mqtt_client_wake(client);
}

static int subscribe(const struct arguments *a)
{
    mqtt_op op;
    mqtt_reason reason = MQTT_RC_SUCCESS;
    unsigned flags = a->no_retained ? MQTT_SUB_NO_RETAINED : 0;
    if (mqtt_client_subscribe_many(client, a->filters, (size_t)a->filter_count,
                                   a->qos, flags, NULL, NULL, NULL,
                                   &op) != MQTT_OK ||
        mqtt_client_wait(client, op, a->timeout_ms, &reason) != MQTT_OK)
        return tool_fail("not subscribed");
    if (a->verbose)
        fprintf(stderr, "subscribed\n");
    return 0;
}

static int print_all(const struct arguments *a)
{
    long left = a->count;
    while (!is_over) {
        const mqtt_event *e = mqtt_client_next_event(client, MQTT_FOREVER);
        switch (mqtt_event_type(e)) {
        case MQTT_EVENT_MESSAGE:
            tool_print(a, mqtt_event_msg(e));
            if (a->count > 0 && --left == 0)
                is_over = 1;
            break;
        case MQTT_EVENT_DISCONNECTED:
            fprintf(stderr, "disconnected: %s\n", mqtt_event_message(e));
            break;
        case MQTT_EVENT_SUBSCRIPTION_LOST:
            fprintf(stderr, "refused: %s\n", mqtt_event_message(e));
            break;
        case MQTT_EVENT_STOPPED:
            fprintf(stderr, "stopped: %s\n", mqtt_event_message(e));
            return 1;
        default:
            break;
        }
    }
    /* The last message is acknowledged when its event is over. */
    mqtt_client_next_event(client, 0);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_read(argc, argv, usage);
    client = tool_connect(&a);
    if (client == NULL)
        return 1;
    signal(SIGINT, end);
    signal(SIGTERM, end);
    int status = subscribe(&a);
    if (status == 0)
        status = print_all(&a);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    return tool_leave(client, status);
}
