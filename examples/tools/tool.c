/* What mqtt-pub, mqtt-sub and mqtt-request share. */
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "\n"
    "  -u, --url URL          mqtt://, mqtts://, ws://, wss:// or unix://\n"
    "                         [mqtt://localhost]\n"
    "  -t, --topic TOPIC      the topic; a filter for mqtt-sub, also several\n"
    "  -q, --qos N            0, 1 or 2 [0]\n"
    "  -i, --id ID            the client id\n"
    "      --user NAME        user name; --password WORD goes with it\n"
    "      --cafile FILE      whom to trust; --cert FILE and --key FILE: to\n"
    "                         show who one is; --insecure: trust anybody\n"
    "      --proxy URL        socks5h://HOST:PORT or http://HOST:PORT\n"
    "  -V, --protocol N       5, or 4 for MQTT 3.1.1 [5]\n"
    "      --session SECONDS  keep the session at the server so long\n"
    "  -D, --property N=V     a user property\n"
    "  -W, --timeout SECONDS  how long to wait for what is waited for [30]\n"
    "  -j, --json             print messages as lines of JSON\n"
    "  -v, --verbose          print the topic before each message\n";

enum {
    USER = 256, PASSWORD, CAFILE, CERT, KEY, INSECURE, PROXY, SESSION, EXPIRY,
    CONTENT_TYPE, RESPONSE_TOPIC, NO_RETAINED
};

static const struct option names[] = {
    {"url", 1, 0, 'u'}, {"topic", 1, 0, 't'}, {"message", 1, 0, 'm'},
    {"qos", 1, 0, 'q'}, {"id", 1, 0, 'i'}, {"retain", 0, 0, 'r'},
    {"lines", 0, 0, 'l'}, {"json", 0, 0, 'j'}, {"verbose", 0, 0, 'v'},
    {"count", 1, 0, 'C'}, {"timeout", 1, 0, 'W'}, {"protocol", 1, 0, 'V'},
    {"property", 1, 0, 'D'}, {"help", 0, 0, 'h'}, {"user", 1, 0, USER},
    {"password", 1, 0, PASSWORD}, {"cafile", 1, 0, CAFILE},
    {"cert", 1, 0, CERT}, {"key", 1, 0, KEY}, {"insecure", 0, 0, INSECURE},
    {"proxy", 1, 0, PROXY}, {"session", 1, 0, SESSION},
    {"expiry", 1, 0, EXPIRY}, {"content-type", 1, 0, CONTENT_TYPE},
    {"response-topic", 1, 0, RESPONSE_TOPIC},
    {"no-retained", 0, 0, NO_RETAINED}, {0, 0, 0, 0}};

static void refuse(const char *what, const char *value)
{
    fprintf(stderr, "%s: %s (--help tells more)\n", what, value);
    exit(2);
}

static long number(const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 0 || value > most)
        refuse("no such number", text);
    return value;
}

static void add_property(struct arguments *a, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || a->property_count == 64)
        refuse("a property is NAME=VALUE, 64 of them at most", text);
    *equals = '\0';
    a->names[a->property_count] = text;
    a->values[a->property_count++] = equals + 1;
}

static void add_topic(struct arguments *a, const char *topic)
{
    if (a->filter_count == 64)
        refuse("64 topics are enough", topic);
    a->filters[a->filter_count++] = a->topic = topic;
}

static void take(struct arguments *a, int name, char *value)
{
    switch (name) {
    case 'u': a->url = value; break;
    case 't': add_topic(a, value); break;
    case 'm': a->message = value; break;
    case 'q': a->qos = (int)number(value, 2); break;
    case 'i': a->client_id = value; break;
    case 'r': a->retain = true; break;
    case 'l': a->lines = true; break;
    case 'j': a->json = true; break;
    case 'v': a->verbose = true; break;
    case 'C': a->count = number(value, 1000000000); break;
    case 'W': a->timeout_ms = (int)number(value, 1000000) * 1000; break;
    case 'V': a->protocol = (int)number(value, 5); break;
    case 'D': add_property(a, value); break;
    case USER: a->user = value; break;
    case PASSWORD: a->password = value; break;
    case CAFILE: a->ca_file = value; break;
    case CERT: a->cert_file = value; break;
    case KEY: a->key_file = value; break;
    case INSECURE: a->insecure = true; break;
    case PROXY: a->proxy = value; break;
    case SESSION: a->session_expiry_s = number(value, 4294967295); break;
    case EXPIRY: a->expiry_s = number(value, 4294967295); break;
    case CONTENT_TYPE: a->content_type = value; break;
    case RESPONSE_TOPIC: a->response_topic = value; break;
    case NO_RETAINED: a->no_retained = true; break;
    default: exit(2);
    }
}

struct arguments arguments_read(int argc, char **argv, const char *usage)
{
    struct arguments a = {.url = "mqtt://localhost", .protocol = 5,
                          .timeout_ms = 30000, .expiry_s = -1};
    int name;
    while ((name = getopt_long(argc, argv, "u:t:m:q:i:rljvC:W:V:D:h", names,
                               NULL)) != -1) {
        if (name == 'h') {
            printf("usage: %s %s%s", argv[0], usage, help);
            exit(0);
        }
        take(&a, name, optarg);
    }
    if (optind < argc)
        refuse("not understood", argv[optind]);
    if (a.filter_count == 0)
        refuse("missing", "--topic");
    return a;
}

int tool_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, mqtt_last_error());
    return 1;
}

static bool set_all(mqtt_options *o, const struct arguments *a)
{
    return mqtt_options_set_protocol_version(o, a->protocol) == MQTT_OK &&
           (a->client_id == NULL ||
            mqtt_options_set_client_id(o, a->client_id) == MQTT_OK) &&
           (a->user == NULL ||
            mqtt_options_set_credentials(
                o, a->user, a->password,
                a->password == NULL ? 0 : strlen(a->password)) == MQTT_OK) &&
           mqtt_options_set_tls_ca_file(o, a->ca_file) == MQTT_OK &&
           mqtt_options_set_tls_client_cert(
               o, a->cert_file,
               a->key_file == NULL ? a->cert_file : a->key_file) == MQTT_OK &&
           mqtt_options_set_tls_insecure(o, a->insecure) == MQTT_OK &&
           mqtt_options_set_proxy(o, a->proxy) == MQTT_OK &&
           (a->session_expiry_s == 0 ||
            (mqtt_options_set_session_expiry(
                 o, (uint32_t)a->session_expiry_s) == MQTT_OK &&
             mqtt_options_set_clean_start(o, 0) == MQTT_OK &&
             mqtt_options_set_adopt_session(o, 1) == MQTT_OK));
}

mqtt_client *tool_connect(const struct arguments *a)
{
    mqtt_client *c = NULL;
    mqtt_options *o = mqtt_options_new(a->url);
    if (o == NULL || !set_all(o, a) || mqtt_client_new(o, &c) != MQTT_OK)
        tool_fail(a->url);
    mqtt_options_free(o);
    if (c != NULL && mqtt_client_wait_connected(c, a->timeout_ms) != MQTT_OK) {
        tool_fail(a->url);
        mqtt_client_free(c);
        return NULL;
    }
    return c;
}

static bool describe(mqtt_msg *m, const struct arguments *a)
{
    bool is_fine = mqtt_msg_set_qos(m, a->qos) == MQTT_OK &&
                   mqtt_msg_set_retain(m, a->retain) == MQTT_OK;
    if (a->expiry_s >= 0)
        is_fine &= mqtt_msg_set_expiry(m, (uint32_t)a->expiry_s) == MQTT_OK;
    if (a->content_type != NULL)
        is_fine &= mqtt_msg_set_content_type(m, a->content_type) == MQTT_OK;
    if (a->response_topic != NULL)
        is_fine &= mqtt_msg_set_response_topic(m, a->response_topic) == MQTT_OK;
    for (int i = 0; i < a->property_count; i++)
        is_fine &= mqtt_msg_add_user_property(m, a->names[i], a->values[i]) ==
                   MQTT_OK;
    return is_fine;
}

mqtt_msg *tool_message(const struct arguments *a, const void *payload,
                       size_t length)
{
    mqtt_msg *m = mqtt_msg_new(a->topic, payload, length);
    if (m == NULL || !describe(m, a)) {
        tool_fail(a->topic);
        mqtt_msg_unref(m);
        return NULL;
    }
    return m;
}

/* The length of the UTF-8 character that bytes begin with; 0 if it is none. */
static size_t character(const unsigned char *bytes, size_t length)
{
    size_t size = bytes[0] < 0x80    ? 1
                  : bytes[0] >= 0xf5 ? 0
                  : bytes[0] >= 0xf0 ? 4
                  : bytes[0] >= 0xe0 ? 3
                  : bytes[0] >= 0xc2 ? 2
                                     : 0;
    if (size > length)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) ||
        (bytes[0] == 0xed && bytes[1] > 0x9f) ||
        (bytes[0] == 0xf0 && bytes[1] < 0x90) ||
        (bytes[0] == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return size;
}

static bool is_text(const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        size_t size = character(bytes, length);
        if (size == 0)
            return false;
        bytes += size;
        length -= size;
    }
    return true;
}

static void print_string(const void *text, size_t length)
{
    const unsigned char *bytes = text;
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            printf("\\%c", bytes[i]);
        else if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            printf("\\u%04x", bytes[i]);
        else
            putchar(bytes[i]);
    }
    putchar('"');
}

static void print_member(const char *name, const char *text)
{
    if (text == NULL)
        return;
    printf(",\"%s\":", name);
    print_string(text, strlen(text));
}

static void print_payload(const unsigned char *payload, size_t length)
{
    if (is_text(payload, length)) {
        printf(",\"payload\":");
        print_string(payload, length);
        return;
    }
    printf(",\"payload_hex\":\"");
    for (size_t i = 0; i < length; i++)
        printf("%02x", payload[i]);
    putchar('"');
}

static void print_properties(const mqtt_msg *m)
{
    const char *name, *value;
    if (mqtt_msg_user_property_count(m) == 0)
        return;
    /* A name may come twice, so this is a list of pairs. */
    printf(",\"user_properties\":");
    for (size_t i = 0; mqtt_msg_user_property(m, i, &name, &value); i++) {
        printf(i == 0 ? "[[" : ",[");
        print_string(name, strlen(name));
        putchar(',');
        print_string(value, strlen(value));
        putchar(']');
    }
    putchar(']');
}

static void print_json(const mqtt_msg *m)
{
    size_t length;
    uint32_t expiry_s;
    const void *payload = mqtt_msg_payload(m, &length);
    printf("{\"topic\":");
    print_string(mqtt_msg_topic(m), strlen(mqtt_msg_topic(m)));
    printf(",\"qos\":%d,\"retain\":%s", mqtt_msg_qos(m),
           mqtt_msg_retain(m) ? "true" : "false");
    if (mqtt_msg_expiry(m, &expiry_s))
        printf(",\"expiry\":%u", (unsigned)expiry_s);
    print_member("content_type", mqtt_msg_content_type(m));
    print_member("response_topic", mqtt_msg_response_topic(m));
    print_properties(m);
    print_payload(payload, length);
    printf("}\n");
}

void tool_print(const struct arguments *a, const mqtt_msg *m)
{
    if (a->json) {
        print_json(m);
    } else {
        size_t length;
        const void *payload = mqtt_msg_payload(m, &length);
        if (a->verbose)
            printf("%s ", mqtt_msg_topic(m));
        fwrite(payload, 1, length, stdout);
        putchar('\n');
    }
    fflush(stdout);
}

int tool_leave(mqtt_client *c, int status)
{
    if (mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, 5000) != MQTT_OK)
        status = tool_fail("leaving");
    mqtt_client_free(c);
    return status;
}
