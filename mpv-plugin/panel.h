/* panel.h: who is here and how far off by how much, and the menu. */
#ifndef PLUGIN_PANEL_H
#define PLUGIN_PANEL_H

#include <mpv/client.h>
#include <playsync.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum panel_page { PANEL_CLOSED, PANEL_PEOPLE, PANEL_MENU };

struct panel {
    mpv_handle *mpv;
    enum panel_page page;
    const char *room; /* the name above */
    const char *name; /* the viewer's own */
    size_t chosen;    /* in the menu */
    int64_t redraw_at;
};

void panel_open(struct panel *panel, mpv_handle *mpv);

/* Shows a page, or closes it when it is shown. */
void panel_toggle(struct panel *panel, enum panel_page page, playsync *engine);
void panel_close(struct panel *panel);

/* Takes a key by the name of its binding. Returns the command that was chosen,
 * or NULL. */
const char *panel_key(struct panel *panel, const char *key, playsync *engine);

/* When panel_handle_timeout() is due; INT64_MAX: never. */
int64_t panel_next_timeout(const struct panel *panel);
void panel_handle_timeout(struct panel *panel, playsync *engine);

#endif
