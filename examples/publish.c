/* Publishes one message: publish URL TOPIC TEXT [CAFILE]
 *
 * With CAFILE a server of mqtts:// or wss:// is trusted if its certificate
 * comes from there, otherwise if it comes from whom the system trusts. */
#include <mqtt.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, mqtt_last_error());
    return 1;
}

static mqtt_client *client_for(const char *url, const char *cafile)
{
    mqtt_client *client = NULL;
    mqtt_options *options = mqtt_options_new(url);
    if (options == NULL ||
        mqtt_options_set_tls_ca_file(options, cafile) != MQTT_OK ||
        mqtt_client_new(options, &client) != MQTT_OK)
        fail(url);
    mqtt_options_free(options);
    return client;
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
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: %s URL TOPIC TEXT [CAFILE]\n", argv[0]);
        return 2;
    }
    mqtt_client *client = client_for(argv[1], argc == 5 ? argv[4] : NULL);
    if (client == NULL)
        return 1;
    int status = publish(client, argv[2], argv[3]);
    mqtt_client_disconnect(client, MQTT_RC_SUCCESS, NULL, 1000);
    mqtt_client_free(client);
    return status;
}
