/* feed.h: what people wrote and did lately, in the corner of the picture. */
#ifndef PLUGIN_FEED_H
#define PLUGIN_FEED_H

#include <mpv/client.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FEED_LINES = 12, FEED_NAME_SIZE = 65, FEED_TEXT_SIZE = 1025 };

struct feed_line {
    int64_t until; /* shown until then, unless the feed is held */
    bool is_chat;
    bool is_own;
    char name[FEED_NAME_SIZE];
    char text[FEED_TEXT_SIZE];
};

struct feed {
    mpv_handle *mpv;
    struct feed_line lines[FEED_LINES]; /* the oldest first */
    size_t count;
    bool is_held; /* all lines are shown, as while one writes */
    int64_t redraw_at; /* when the next line has been shown long enough */
};

void feed_open(struct feed *feed, mpv_handle *mpv);

/* Shows one sentence for some seconds, and logs it. */
void feed_tell(struct feed *feed, const char *text);

/* Shows and logs what somebody wrote. */
void feed_chat(struct feed *feed, const char *name, const char *text,
               bool is_own);

/* Shows all there is until it is let go. */
void feed_hold(struct feed *feed, bool is_held);

/* When feed_handle_timeout() is due; INT64_MAX: never. */
int64_t feed_next_timeout(const struct feed *feed);
void feed_handle_timeout(struct feed *feed);

#endif
