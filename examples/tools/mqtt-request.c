/* mqtt-request: publishes a question and prints the answer. */
#include "tool.h"

#include <string.h>

static const char usage[] =
    "-t TOPIC [-m TEXT] [OPTIONS]\n"
    "Publishes TEXT with a response topic of its own, and prints the answer.\n"
    "\n"
    "  -m, --message TEXT     the question\n"
    "      --expiry SECONDS   the lifetime of the question\n"
    "      --content-type T   what the question is";

static int ask(mqtt_client *c, const struct arguments *a)
{
    const char *text = a->message == NULL ? "" : a->message;
    mqtt_msg *answer = NULL, *question = tool_message(a, text, strlen(text));
    if (question == NULL)
        return 1;
    mqtt_status result =
        mqtt_client_request_wait(c, question, a->timeout_ms, &answer);
    mqtt_msg_unref(question);
    if (result != MQTT_OK)
        return tool_fail("no answer");
    tool_print(a, answer);
    mqtt_msg_unref(answer);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments a = arguments_read(argc, argv, usage);
    mqtt_client *c = tool_connect(&a);
    return c == NULL ? 1 : tool_leave(c, ask(c, &a));
}
