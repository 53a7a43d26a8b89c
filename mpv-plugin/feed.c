/* feed.c: what people wrote and did lately, in the corner of the picture. */
#include "feed.h"

#include "clock.h"
#include "osd.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { FONT_SIZE = 26, LINE_HEIGHT = 34, MARGIN = 18 };

static const int64_t NOTICE_NS = (int64_t)4 * 1000000000;
static const int64_t CHAT_NS = (int64_t)9 * 1000000000;

void feed_open(struct feed *feed, mpv_handle *mpv)
{
    *feed = (struct feed){.mpv = mpv, .redraw_at = INT64_MAX};
}

static void draw_line(struct text *events, const struct feed_line *line, int y)
{
    text_add(events,
             "{\\an7\\q1\\pos(%d,%d)\\fs%d\\bord2\\shad0\\1c&HFFFFFF&"
             "\\3c&H101010&}",
             MARGIN, y, FONT_SIZE);
    if (line->is_chat) {
        text_add(events, "{\\b1\\1c&H%s&}", line->is_own ? "A0E0A0" : "7FD4FF");
        text_add_words(events, line->name);
        text_add(events, "{\\b0\\1c&HFFFFFF&}  ");
    }
    text_add_words(events, line->text);
    text_add(events, "\n");
}

/* While one writes, what was said before is read again. */
static bool is_shown(const struct feed *feed, const struct feed_line *line,
                     int64_t now)
{
    return line->until > now || (feed->is_held && line->is_chat);
}

static void draw(struct feed *feed)
{
    int64_t now = clock_now();
    struct text events;
    text_clear(&events);
    feed->redraw_at = INT64_MAX;
    int y = MARGIN;
    for (size_t i = 0; i < feed->count; i++) {
        const struct feed_line *line = &feed->lines[i];
        if (!is_shown(feed, line, now))
            continue;
        draw_line(&events, line, y);
        y += LINE_HEIGHT;
        if (line->until > now && line->until < feed->redraw_at)
            feed->redraw_at = line->until;
    }
    osd_draw(feed->mpv, OVERLAY_FEED, events.bytes);
}

static void copy(char *to, const char *from, size_t size)
{
    size_t length = text_fitting(from, size);
    memcpy(to, from, length);
    to[length] = '\0';
}

static void add(struct feed *feed, const struct feed_line *line)
{
    if (feed->count == FEED_LINES) {
        feed->count--;
        memmove(feed->lines, feed->lines + 1,
                feed->count * sizeof feed->lines[0]);
    }
    feed->lines[feed->count++] = *line;
    draw(feed);
}

void feed_tell(struct feed *feed, const char *text)
{
    osd_log(feed->mpv, text);
    struct feed_line line = {.until = clock_now() + NOTICE_NS};
    copy(line.text, text, FEED_TEXT_SIZE);
    add(feed, &line);
}

void feed_chat(struct feed *feed, const char *name, const char *text,
               bool is_own)
{
    struct feed_line line = {
        .until = clock_now() + CHAT_NS,
        .is_chat = true,
        .is_own = is_own,
    };
    copy(line.name, name, FEED_NAME_SIZE);
    copy(line.text, text, FEED_TEXT_SIZE);
    char logged[FEED_NAME_SIZE + FEED_TEXT_SIZE + 4];
    snprintf(logged, sizeof logged, "<%s> %s", line.name, line.text);
    osd_log(feed->mpv, logged);
    add(feed, &line);
}

void feed_hold(struct feed *feed, bool is_held)
{
    feed->is_held = is_held;
    draw(feed);
}

int64_t feed_next_timeout(const struct feed *feed)
{
    return feed->redraw_at;
}

void feed_handle_timeout(struct feed *feed)
{
    if (clock_now() >= feed->redraw_at)
        draw(feed);
}
