/* A client an outside examiner can drive: driver [-i ID] [-k SECONDS] [-r MAX]
 *
 * Reads lines PORT VERSION CLEAN [COMMAND] and makes one connection to loopback
 * for each: VERSION is 5, CLEAN 0 or 1, COMMAND one of
 *
 *     subscribe-0 subscribe-1 subscribe-2 subscribe-multiple
 *     unsubscribe unsubscribe-multiple publish-0 publish-1 publish-2
 *
 * After the command it stays until the server ends the connection, and tells
 * each event on a line of its own.
 */
#include <mqtt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *id;
    unsigned keep_alive;
    unsigned receive_maximum;
};

static const char *const filters[] = {"a", "b/+", "c/#"};

static void tell(const mqtt_event *e)
{
    static const char *const names[] = {
        "none",
        "connected",
        "connect-failed",
        "disconnected",
        "stopped",
        "message",
        "publish-done",
        "subscribe-done",
        "unsubscribe-done",
        "reply",
        "writable",
        "subscription-lost",
        "redirect",
    };
    size_t type = (size_t)mqtt_event_type(e);
    printf("%s %s 0x%02x %s\n",
           type < sizeof names / sizeof names[0] ? names[type] : "unknown",
           mqtt_status_name(mqtt_event_status(e)),
           (unsigned)mqtt_event_reason(e), mqtt_event_message(e));
    fflush(stdout);
}

static mqtt_status subscribe(mqtt_client *c, size_t count, int qos)
{
    mqtt_op op;
    return mqtt_client_subscribe_many(c, filters, count, qos, 0, NULL, NULL,
                                      NULL, &op);
}

static mqtt_status unsubscribe(mqtt_client *c, size_t count)
{
    mqtt_op op;
    mqtt_status status = MQTT_OK;
    for (size_t i = 0; i < count && status == MQTT_OK; i++)
        status = mqtt_client_unsubscribe(c, filters[i], &op);
    return status;
}

static mqtt_status command(mqtt_client *c, const char *name)
{
    mqtt_op op;
    size_t length = strlen(name);
    int qos = length > 0 ? name[length - 1] - '0' : 0;
    if (strcmp(name, "") == 0)
        return MQTT_OK;
    if (strcmp(name, "subscribe-multiple") == 0)
        return subscribe(c, 3, 2);
    if (strcmp(name, "unsubscribe-multiple") == 0)
        return unsubscribe(c, 3);
    if (strcmp(name, "unsubscribe") == 0)
        return unsubscribe(c, 1);
    if (strncmp(name, "subscribe-", strlen("subscribe-")) == 0)
        return subscribe(c, 1, qos);
    if (strncmp(name, "publish-", strlen("publish-")) == 0)
        return mqtt_client_publish(c, "a", "hello", 5, qos, 0, &op);
    fprintf(stderr, "unknown command %s\n", name);
    return MQTT_E_ARG;
}

static mqtt_options *options(const struct settings *settings, int port,
                             int clean)
{
    char url[64];
    snprintf(url, sizeof url, "mqtt://127.0.0.1:%d", port);
    mqtt_options *o = mqtt_options_new(url);
    if (o == NULL)
        return NULL;
    mqtt_options_set_client_id(o, settings->id);
    mqtt_options_set_keep_alive(o, settings->keep_alive);
    mqtt_options_set_receive_maximum(o, settings->receive_maximum);
    mqtt_options_set_clean_start(o, clean);
    mqtt_options_set_session_expiry(o, clean ? 0 : 60);
    mqtt_options_set_reconnect(o, -1, 0);
    return o;
}

static int connection(const struct settings *settings, int port, int clean,
                      const char *name)
{
    mqtt_client *c = NULL;
    mqtt_options *o = options(settings, port, clean);
    mqtt_status status = o == NULL ? MQTT_E_ARG : mqtt_client_new(o, &c);
    mqtt_options_free(o);
    if (status == MQTT_OK)
        status = command(c, name);
    if (status != MQTT_OK) {
        fprintf(stderr, "%s\n", mqtt_last_error());
        mqtt_client_free(c);
        return 1;
    }
    int type = 0;
    while (type != MQTT_EVENT_STOPPED) {
        const mqtt_event *e = mqtt_client_next_event(c, MQTT_FOREVER);
        type = mqtt_event_type(e);
        tell(e);
    }
    mqtt_client_free(c);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {"driver", 60, 20};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "-i") == 0)
            settings.id = argv[i + 1];
        else if (strcmp(argv[i], "-k") == 0)
            settings.keep_alive = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-r") == 0)
            settings.receive_maximum = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else
            return 2;
    }
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int port, version, clean;
        char name[64] = "";
        if (sscanf(line, "%d %d %d %63s", &port, &version, &clean, name) < 3 ||
            version != 5)
            return 2;
        if (connection(&settings, port, clean, name) != 0)
            return 1;
    }
    return 0;
}
