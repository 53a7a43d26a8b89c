/* osd.h: draws on the picture, and writes to mpv's log. */
#ifndef PLUGIN_OSD_H
#define PLUGIN_OSD_H

#include <mpv/client.h>

/* What is drawn, each in a place of its own, the later above the earlier. */
enum overlay {
    OVERLAY_FEED = 1,
    OVERLAY_PANEL,
    OVERLAY_INPUT,
};

/* Everything is drawn on a canvas of this height, as wide as the picture. */
enum { CANVAS_HEIGHT = 720 };

/* Writes one line to mpv's log and terminal. */
void osd_log(mpv_handle *mpv, const char *text);

/* Draws ASS events, in place of what was drawn there before; "" clears. */
void osd_draw(mpv_handle *mpv, enum overlay overlay, const char *events);

#endif
