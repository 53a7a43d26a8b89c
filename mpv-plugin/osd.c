/* osd.c: draws on the picture, and writes to mpv's log. */
#include "osd.h"

#include <stdio.h>

enum { LINE_SIZE = 1280, FIELDS = 6 };

/* The command is asynchronous: the order holds, and during a seek nobody waits
 * for it. mpv copies the arguments before it returns. */
void osd_log(mpv_handle *mpv, const char *text)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "playsync: %s", text);
    const char *command[] = {"print-text", line, NULL};
    mpv_command_async(mpv, 0, command);
}

static mpv_node word(const char *text)
{
    /* mpv reads arguments and never writes them. */
    return (mpv_node){.format = MPV_FORMAT_STRING, .u.string = (char *)text};
}

static mpv_node number(int64_t value)
{
    return (mpv_node){.format = MPV_FORMAT_INT64, .u.int64 = value};
}

void osd_draw(mpv_handle *mpv, enum overlay overlay, const char *events)
{
    const char *format = events[0] == '\0' ? "none" : "ass-events";
    char *names[FIELDS] = {"name", "id", "format", "data", "res_y", "z"};
    mpv_node values[FIELDS] = {
        word("osd-overlay"), number(overlay),       word(format),
        word(events),        number(CANVAS_HEIGHT), number(overlay),
    };
    mpv_node_list list = {.num = FIELDS, .values = values, .keys = names};
    mpv_node command = {.format = MPV_FORMAT_NODE_MAP, .u.list = &list};
    mpv_command_node_async(mpv, 0, &command);
}
