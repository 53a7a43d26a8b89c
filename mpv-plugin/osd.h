/* osd.h: tells the viewer something, on the picture and in the log. */
#ifndef PLUGIN_OSD_H
#define PLUGIN_OSD_H

#include <mpv/client.h>

/* Writes one line to mpv's log and terminal. */
void osd_log(mpv_handle *mpv, const char *text);

/* Shows one line on the picture for a few seconds, and logs it. */
void osd_tell(mpv_handle *mpv, const char *text);

#endif
