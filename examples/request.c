/* Asks and answers: request URL ask TOPIC TEXT
 *                   request URL answer TOPIC COUNT */
#include <mqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "%s\n", mqtt_last_error());
    return 1;
}

static int ask(mqtt_client *client, const char *topic, const char *text)
{
    mqtt_msg *reply = NULL;
    mqtt_msg *request = mqtt_msg_new(topic, text, strlen(text));
    if (request == NULL)
        return fail();

    /* The library finds a topic for the answer and recognizes it. */
    mqtt_status status =
        mqtt_client_request_wait(client, request, 5000, &reply);
    mqtt_msg_unref(request);
    if (status != MQTT_OK)
        return fail();
    printf("%s\n", (const char *)mqtt_msg_payload(reply, NULL));
    mqtt_msg_unref(reply);
    return 0;
}

/* Answers with the length of what it was asked. */
static int answer(mqtt_client *client, const char *topic, long count)
{
    if (mqtt_client_subscribe(client, topic, 1, 0, NULL, NULL, NULL) !=
        MQTT_OK)
        return fail();
    while (count > 0) {
        const mqtt_event *event = mqtt_client_next_event(client, MQTT_FOREVER);
        if (mqtt_event_type(event) == MQTT_EVENT_STOPPED)
            return 1;
        if (mqtt_event_type(event) != MQTT_EVENT_MESSAGE)
            continue;
        char text[32];
        size_t length;
        mqtt_msg_payload(mqtt_event_msg(event), &length);
        int written = snprintf(text, sizeof text, "%zu bytes", length);
        if (mqtt_client_reply(client, mqtt_event_msg(event), text,
                              (size_t)written) == MQTT_OK)
            count--;
    }
    return 0;
}

int main(int argc, char **argv)
{
    mqtt_client *client;
    if (argc != 5 || mqtt_client_open(argv[1], &client) != MQTT_OK) {
        fprintf(stderr, "usage: %s URL ask|answer TOPIC TEXT|COUNT\n", argv[0]);
        return 2;
    }
    int status = strcmp(argv[2], "ask") == 0
                     ? ask(client, argv[3], argv[4])
                     : answer(client, argv[3], strtol(argv[4], NULL, 10));
    mqtt_client_disconnect(client, MQTT_RC_SUCCESS, NULL, 1000);
    mqtt_client_free(client);
    return status;
}
