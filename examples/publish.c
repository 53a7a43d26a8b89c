/* Publishes one message: publish URL TOPIC TEXT */
#include <mqtt.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, mqtt_last_error());
    return 1;
}

static int publish(mqtt_client *client, const char *topic, const char *text)
{
    mqtt_op op;
    if (mqtt_client_wait_connected(client, 10000) != MQTT_OK)
        return fail("cannot connect");
    if (mqtt_client_publish(client, topic, text, strlen(text), 1, 0, &op) !=
        MQTT_OK)
        return fail("cannot publish");

    /* At QoS 1 the operation is over when the server has acknowledged it. */
    mqtt_reason reason = MQTT_RC_SUCCESS;
    if (mqtt_client_wait(client, op, 10000, &reason) != MQTT_OK)
        return fail("not published");
    printf("published: %s\n", mqtt_reason_name(reason));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s URL TOPIC TEXT\n", argv[0]);
        return 2;
    }
    mqtt_client *client;
    if (mqtt_client_open(argv[1], &client) != MQTT_OK)
        return fail(argv[1]);
    int status = publish(client, argv[2], argv[3]);
    mqtt_client_disconnect(client, MQTT_RC_SUCCESS, NULL, 1000);
    mqtt_client_free(client);
    return status;
}
