/* libmqtt over every transport: transports CASE URL [CAFILE [CERT KEY]]
 *
 * tests/transports.rs runs the cases under the sanitizers, with servers. A "-"
 * for a file is none. The case `refused` prints status, alert and sentence. */
#include <mqtt.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : fail(__LINE__, #condition))

/* More than a record of TLS; mosquitto takes 4 KiB of WebSocket each 0.1 s. */
enum { PATIENCE_MS = 20000, LARGE = 20000 };

static void fail(int line, const char *condition)
{
    fprintf(stderr, "line %d: not %s; last error: %s\n", line, condition,
            mqtt_last_error());
    exit(1);
}

/* The arguments from the URL on, as options. */
static mqtt_options *options(int count, char **arguments)
{
    mqtt_options *o = mqtt_options_new(arguments[0]);
    CHECK(o != NULL);
    CHECK(mqtt_options_set_reconnect(o, -1, 0) == MQTT_OK);
    if (count > 1 && strcmp(arguments[1], "-") != 0)
        CHECK(mqtt_options_set_tls_ca_file(o, arguments[1]) == MQTT_OK);
    if (count > 3)
        CHECK(mqtt_options_set_tls_client_cert(o, arguments[2],
                                               arguments[3]) == MQTT_OK);
    return o;
}

static mqtt_client *client(mqtt_options *o)
{
    mqtt_client *c = NULL;
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    return c;
}

static const mqtt_event *next(mqtt_client *c)
{
    const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
    CHECK(e != NULL);
    return e;
}

/* Waits for a message with this payload. */
static void expect(mqtt_client *c, const char *payload, size_t length)
{
    const mqtt_event *e;
    do
        e = next(c);
    while (mqtt_event_type(e) != MQTT_EVENT_MESSAGE);
    size_t received;
    const void *bytes = mqtt_msg_payload(mqtt_event_msg(e), &received);
    CHECK(received == length);
    CHECK(memcmp(bytes, payload, length) == 0);
}

/* Small and large messages there and back, and a good end. */
static void talk(mqtt_options *o)
{
    mqtt_client *c = client(o);
    mqtt_op op;
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    CHECK(mqtt_client_subscribe(c, "talk", 2, 0, NULL, NULL, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    char *large = malloc(LARGE);
    CHECK(large != NULL);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 7);
    for (int qos = 0; qos <= 2; qos++) {
        CHECK(mqtt_client_publish(c, "talk", "x", 1, qos, 0, NULL) == MQTT_OK);
        CHECK(mqtt_client_publish(c, "talk", large, LARGE, qos, 0, &op) ==
              MQTT_OK);
        CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
        expect(c, "x", 1);
        expect(c, large, LARGE);
    }
    free(large);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, PATIENCE_MS) ==
          MQTT_OK);
    mqtt_client_free(c);
}

/* One attempt, one event, one sentence. */
static void refused(mqtt_options *o)
{
    mqtt_client *c = client(o);
    const mqtt_event *e = next(c);
    CHECK(mqtt_event_type(e) == MQTT_EVENT_CONNECT_FAILED);
    printf("%s %d %s\n", mqtt_status_name(mqtt_event_status(e)),
           mqtt_event_tls_alert(e), mqtt_event_message(e));
    CHECK(mqtt_event_type(next(c)) == MQTT_EVENT_STOPPED);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    mqtt_client_free(c);
}

static bool says(const char *sentence)
{
    return strstr(mqtt_last_error(), sentence) != NULL;
}

/* Each setter checks at once; what it refuses changes nothing. */
static void setters(mqtt_options *o, const char *cert, const char *key)
{
    CHECK(mqtt_options_set_tls_ca_file(o, "/nowhere/ca.pem") == MQTT_E_TLS);
    CHECK(says("/nowhere/ca.pem"));
    CHECK(mqtt_options_set_tls_ca_file(o, "/dev/null") == MQTT_E_TLS);
    CHECK(says("it holds no certificate"));
    CHECK(mqtt_options_set_tls_ca_pem(o, "pem", 3) == MQTT_E_TLS);
    CHECK(mqtt_options_set_tls_ca_file(NULL, NULL) == MQTT_E_ARG);
    CHECK(mqtt_options_set_tls_client_cert(o, cert, NULL) == MQTT_E_ARG);
    CHECK(mqtt_options_set_tls_client_cert(o, key, key) == MQTT_E_TLS);
    CHECK(mqtt_options_set_tls_client_cert(o, cert, cert) == MQTT_E_TLS);
    CHECK(says("it holds no private key"));
    CHECK(mqtt_options_set_tls_client_cert(o, NULL, NULL) == MQTT_OK);
    CHECK(mqtt_options_set_tls_client_cert(o, cert, key) == MQTT_OK);
    CHECK(mqtt_options_set_tls_server_name(o, "two words") == MQTT_E_TLS);
    CHECK(mqtt_options_set_tls_server_name(o, NULL) == MQTT_OK);
    CHECK(mqtt_options_set_tls_alpn(o, "mqtt,") == MQTT_E_ARG);
    CHECK(mqtt_options_set_tls_alpn(o, "mqtt, x-amzn-mqtt-ca") == MQTT_OK);
    CHECK(mqtt_options_set_tls_alpn(o, "") == MQTT_OK);
    CHECK(mqtt_options_set_tls_alpn(o, NULL) == MQTT_OK);
    CHECK(mqtt_options_add_http_header(o, "X-Y", "a\r\nb") == MQTT_E_ARG);
    CHECK(mqtt_options_add_http_header(o, "Host", "a") == MQTT_E_ARG);
    CHECK(mqtt_options_add_http_header(o, "X-Y", NULL) == MQTT_E_ARG);
    CHECK(mqtt_options_add_http_header(o, "X-Y", "b") == MQTT_OK);
    CHECK(mqtt_options_new("wss://host/a#b") == NULL);
    CHECK(says("fragment"));
    /* They work in spite of all that was refused. */
    talk(o);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    mqtt_options *o = options(argc - 2, argv + 2);
    if (strcmp(argv[1], "talk") == 0) {
        talk(o);
    } else if (strcmp(argv[1], "refused") == 0) {
        refused(o);
    } else if (strcmp(argv[1], "insecure") == 0) {
        CHECK(mqtt_options_set_tls_insecure(o, 1) == MQTT_OK);
        talk(o);
    } else if (strcmp(argv[1], "named") == 0) {
        CHECK(mqtt_options_set_tls_server_name(o, "localhost") == MQTT_OK);
        CHECK(mqtt_options_set_tls_alpn(o, "mqtt") == MQTT_OK);
        talk(o);
    } else if (strcmp(argv[1], "setters") == 0 && argc == 6) {
        setters(o, argv[4], argv[5]);
    } else {
        return 2;
    }
    return 0;
}
