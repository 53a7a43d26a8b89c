/* A client an outside examiner can drive: driver [-i ID] [-k SECONDS] [-r MAX]
 *
 * Reads lines PORT VERSION CLEAN [COMMAND] and makes one connection to loopback
 * for each: VERSION is 5, 4 (3.1.1) or 3 (3.1), CLEAN 0 or 1, COMMAND one of
 *
 *     subscribe-0 subscribe-1 subscribe-2 subscribe-multiple
 *     unsubscribe unsubscribe-multiple publish-0 publish-1 publish-2
 *
 * After the command it stays until the connection ends. It tells each event on a
 * line of its own, and says "done" after the last. Lines with CLEAN 0, the same port and the same version,
 * one after the other, are connections of one client, which goes on with its
 * session.
 *
 * CONNECT announces nothing but the Receive Maximum, and in version 5 with
 * CLEAN 0 a Session Expiry Interval.
 */
#include <mqtt.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *id;
    unsigned keep_alive;
    unsigned receive_maximum;
};

/* A line of input. */
struct line {
    int port, version, clean;
    char command[64];
};

/* The client of the lines with CLEAN 0, and where it connects to. */
static mqtt_client *kept;
static int kept_port, kept_version;

static const char *const filters[] = {"test/subscribe1", "test/subscribe2"};

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

static mqtt_status command(mqtt_client *c, const char *name)
{
    mqtt_op op;
    size_t length = strlen(name);
    int qos = length > 0 ? name[length - 1] - '0' : 0;
    if (strcmp(name, "") == 0)
        return MQTT_OK;
    if (strcmp(name, "subscribe-multiple") == 0)
        return mqtt_client_subscribe_many(c, filters, 2, 2, 0, NULL, NULL,
                                          NULL, &op);
    if (strcmp(name, "unsubscribe-multiple") == 0)
        return mqtt_client_unsubscribe_many(c, filters, 2, &op);
    if (strcmp(name, "unsubscribe") == 0)
        return mqtt_client_unsubscribe(c, "test/subscribe", &op);
    if (strncmp(name, "subscribe-", strlen("subscribe-")) == 0)
        return mqtt_client_subscribe(c, "test/subscribe", qos, 0, NULL, NULL,
                                     &op);
    if (strncmp(name, "publish-", strlen("publish-")) == 0)
        return mqtt_client_publish(c, "test/publish", "message", 7, qos, 0,
                                   &op);
    fprintf(stderr, "unknown command %s\n", name);
    return MQTT_E_ARG;
}

static mqtt_options *options(const struct settings *settings,
                             const struct line *line)
{
    char url[64];
    snprintf(url, sizeof url, "mqtt://127.0.0.1:%d", line->port);
    mqtt_options *o = mqtt_options_new(url);
    if (o == NULL)
        return NULL;
    mqtt_options_set_protocol_version(o, line->version);
    mqtt_options_set_client_id(o, settings->id);
    mqtt_options_set_keep_alive(o, settings->keep_alive);
    mqtt_options_set_receive_maximum(o, settings->receive_maximum);
    mqtt_options_set_max_packet_size(o, UINT32_MAX);
    mqtt_options_set_topic_aliases(o, 0, 32);
    mqtt_options_set_clean_start(o, line->clean);
    if (!line->clean && line->version == 5)
        mqtt_options_set_session_expiry(o, 60);
    /* A client that goes on later waits for the next line, not for a time. */
    mqtt_options_set_reconnect(o, line->clean ? -1 : INT_MAX, INT_MAX);
    return o;
}

static mqtt_status make(const struct settings *settings,
                        const struct line *line, mqtt_client **c)
{
    mqtt_options *o = options(settings, line);
    mqtt_status status = o == NULL ? MQTT_E_ARG : mqtt_client_new(o, c);
    mqtt_options_free(o);
    return status;
}

static void drop_kept(void)
{
    mqtt_client_free(kept);
    kept = NULL;
}

/* The client for a line: the one that was kept, or a new one. */
static mqtt_status client(const struct settings *settings,
                          const struct line *line, mqtt_client **c)
{
    if (kept != NULL && !line->clean && kept_port == line->port &&
        kept_version == line->version) {
        *c = kept;
        return mqtt_client_reconnect(kept);
    }
    drop_kept();
    mqtt_status status = make(settings, line, c);
    if (status == MQTT_OK && !line->clean) {
        kept = *c;
        kept_port = line->port;
        kept_version = line->version;
    }
    return status;
}

/* Tells what happens until the connection, or the client, has ended. */
static void follow(mqtt_client *c)
{
    int type;
    do {
        const mqtt_event *e = mqtt_client_next_event(c, MQTT_FOREVER);
        type = mqtt_event_type(e);
        tell(e);
        if (c == kept && mqtt_event_retry_ms(e) >= 0)
            break;
    } while (type != MQTT_EVENT_STOPPED);
}

static int connection(const struct settings *settings, const struct line *line)
{
    mqtt_client *c = NULL;
    mqtt_status status = client(settings, line, &c);
    if (status == MQTT_OK)
        status = command(c, line->command);
    if (status == MQTT_OK)
        follow(c);
    else
        fprintf(stderr, "%s\n", mqtt_last_error());
    if (c != kept)
        mqtt_client_free(c);
    return status == MQTT_OK ? 0 : 1;
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
    char text[256];
    int failures = 0;
    while (fgets(text, sizeof text, stdin) != NULL) {
        struct line line = {.command = ""};
        if (sscanf(text, "%d %d %d %63s", &line.port, &line.version,
                   &line.clean, line.command) < 3 ||
            line.version < 3 || line.version > 5)
            return 2;
        failures += connection(&settings, &line);
        puts("done");
        fflush(stdout);
    }
    drop_kept();
    return failures == 0 ? 0 : 1;
}
