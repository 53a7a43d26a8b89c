/* Shows who is there: will URL NAME [crash]
 *
 * While it runs, "online" is retained at people/NAME; the server puts "offline"
 * in its place when the program is gone, whichever way it goes. */
#include <mqtt.h>
#include <stdio.h>
#include <string.h>

static int fail(void)
{
    fprintf(stderr, "%s\n", mqtt_last_error());
    return 1;
}

static mqtt_status open_with_will(const char *url, const char *topic,
                                  mqtt_client **client)
{
    mqtt_status status = MQTT_E_ARG;
    mqtt_options *options = mqtt_options_new(url);
    mqtt_msg *will = mqtt_msg_new(topic, "offline", strlen("offline"));
    if (options != NULL && will != NULL) {
        mqtt_msg_set_qos(will, 1);
        mqtt_msg_set_retain(will, 1);
        mqtt_options_set_will(options, will, 0);
        status = mqtt_client_new(options, client);
    }
    mqtt_msg_unref(will);
    mqtt_options_free(options);
    return status;
}

static int say(mqtt_client *client, const char *topic, const char *text)
{
    mqtt_op op;
    if (mqtt_client_publish(client, topic, text, strlen(text), 1, MQTT_RETAIN,
                            &op) != MQTT_OK ||
        mqtt_client_wait(client, op, 10000, NULL) != MQTT_OK)
        return fail();
    return 0;
}

int main(int argc, char **argv)
{
    char topic[128];
    mqtt_client *client;
    if (argc < 3) {
        fprintf(stderr, "usage: %s URL NAME [crash]\n", argv[0]);
        return 2;
    }
    snprintf(topic, sizeof topic, "people/%s", argv[2]);
    if (open_with_will(argv[1], topic, &client) != MQTT_OK)
        return fail();
    int status = say(client, topic, "online");
    printf("%s is online; press Enter to go\n", argv[2]);
    fflush(stdout);
    getchar();

    /* Without DISCONNECT the server publishes the will. So it does if the
     * program crashes, and with this reason if it leaves in good order. */
    if (argc == 3)
        mqtt_client_disconnect(client, MQTT_RC_DISCONNECT_WITH_WILL, NULL,
                               1000);
    mqtt_client_free(client);
    return status;
}
