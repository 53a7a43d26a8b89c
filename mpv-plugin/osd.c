/* osd.c: tells the viewer something, on the picture and in the log. */
#include "osd.h"

#include <stdio.h>

enum { LINE_SIZE = 1024 };

static const char SHOWN_MS[] = "4000";

/* The commands are asynchronous: their order holds, and during a seek nobody
 * waits for them. mpv copies the arguments before it returns. */
static void command(mpv_handle *mpv, const char **words)
{
    mpv_command_async(mpv, 0, words);
}

void osd_log(mpv_handle *mpv, const char *text)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "playsync: %s", text);
    command(mpv, (const char *[]){"print-text", line, NULL});
}

void osd_tell(mpv_handle *mpv, const char *text)
{
    osd_log(mpv, text);
    command(mpv, (const char *[]){"show-text", text, SHOWN_MS, NULL});
}
