/* Prints what is published: subscribe URL FILTER [COUNT]
 *
 * It stays subscribed while the server goes away and comes back. */
#include <mqtt.h>
#include <stdio.h>
#include <stdlib.h>

static void print_message(const mqtt_msg *message)
{
    size_t length;
    const void *payload = mqtt_msg_payload(message, &length);
    printf("%s ", mqtt_msg_topic(message));
    fwrite(payload, 1, length, stdout);
    putchar('\n');
    fflush(stdout);
}

/* Returns how many messages the event has brought, or -1 at the end. */
static int handle(const mqtt_event *event)
{
    switch (mqtt_event_type(event)) {
    case MQTT_EVENT_MESSAGE:
        print_message(mqtt_event_msg(event));
        return 1;
    case MQTT_EVENT_SUBSCRIBE_DONE:
        fprintf(stderr, "subscribed: %s\n",
                mqtt_status_name(mqtt_event_status(event)));
        return mqtt_event_status(event) == MQTT_OK ? 0 : -1;
    case MQTT_EVENT_CONNECT_FAILED:
    case MQTT_EVENT_DISCONNECTED:
        fprintf(stderr, "%s; next attempt in %d ms\n",
                mqtt_event_message(event), mqtt_event_retry_ms(event));
        return 0;
    case MQTT_EVENT_STOPPED:
        return -1;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    mqtt_client *client;
    mqtt_op op;
    if (argc < 3) {
        fprintf(stderr, "usage: %s URL FILTER [COUNT]\n", argv[0]);
        return 2;
    }
    if (mqtt_client_open(argv[1], &client) != MQTT_OK ||
        mqtt_client_subscribe(client, argv[2], 1, 0, NULL, NULL, &op) !=
            MQTT_OK) {
        fprintf(stderr, "%s\n", mqtt_last_error());
        return 1;
    }
    long left = argc > 3 ? strtol(argv[3], NULL, 10) : -1;
    int count = 0;
    while (left != 0 && count >= 0) {
        count = handle(mqtt_client_next_event(client, MQTT_FOREVER));
        if (left > 0 && count > 0)
            left -= count;
    }
    mqtt_client_disconnect(client, MQTT_RC_SUCCESS, NULL, 1000);
    mqtt_client_free(client);
    return count < 0;
}
