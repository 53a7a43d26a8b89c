/* panel.c: who is here and how far off by how much, and the menu. */
#include "panel.h"

#include "clock.h"
#include "osd.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    TOP = 110,
    LEFT = 40,
    PADDING = 22,
    LINE_HEIGHT = 36,
    FONT_SIZE = 26,
    PEOPLE_WIDTH = 760,
    MENU_WIDTH = 620,
    NAMES_MAX = 14,
};

static const int64_t REDRAW_NS = 500 * 1000 * 1000;
static const char SECTION[] = "playsync-menu";
static const char KEYS[] = "UP script-binding playsync/menu-up\n"
                           "DOWN script-binding playsync/menu-down\n"
                           "WHEEL_UP script-binding playsync/menu-up\n"
                           "WHEEL_DOWN script-binding playsync/menu-down\n"
                           "ENTER script-binding playsync/menu-choose\n"
                           "KP_ENTER script-binding playsync/menu-choose\n"
                           "RIGHT script-binding playsync/menu-choose\n"
                           "LEFT script-binding playsync/menu-close\n"
                           "ESC script-binding playsync/menu-close\n";

/* ---- Drawing ------------------------------------------------------------- */

static void draw_box(struct text *events, int width, int lines)
{
    int height = lines * LINE_HEIGHT + 2 * PADDING;
    text_add(events,
             "{\\an7\\pos(%d,%d)\\bord0\\shad0\\1c&H201C18&\\1a&H1C&\\p1}"
             "m 0 0 l %d 0 %d %d 0 %d{\\p0}\n",
             LEFT, TOP, width, width, height, height);
}

static void begin_cell(struct text *events, int x, int line, const char *colour)
{
    text_add(events,
             "{\\an7\\q2\\pos(%d,%d)\\fs%d\\bord0\\shad0\\1c&H%s&}",
             LEFT + PADDING + x, TOP + PADDING + line * LINE_HEIGHT, FONT_SIZE,
             colour);
}

static void draw_cell(struct text *events, int x, int line, const char *colour,
                      const char *words)
{
    begin_cell(events, x, line, colour);
    text_add_words(events, words);
    text_add(events, "\n");
}

static const char WHITE[] = "FFFFFF";
static const char GREY[] = "A8A8A8";
static const char BLUE[] = "FFC87F";
static const char GREEN[] = "90E090";
static const char YELLOW[] = "70E0F0";
static const char RED[] = "7878FF";

static const char *condition_words(int condition)
{
    switch (condition) {
    case PLAYSYNC_CONDITION_NO_FILE:
        return "no film";
    case PLAYSYNC_CONDITION_OTHER_FILE:
        return "another film";
    case PLAYSYNC_CONDITION_PAUSED:
        return "paused";
    case PLAYSYNC_CONDITION_PREPARING:
        return "getting ready";
    case PLAYSYNC_CONDITION_PLAYING:
        return "playing";
    case PLAYSYNC_CONDITION_BUFFERING:
        return "buffering";
    case PLAYSYNC_CONDITION_ENDED:
        return "at the end";
    default:
        return "";
    }
}

/* Nobody sees a frame's difference; a tenth of a second is heard. */
static const char *error_colour(double ms)
{
    double size = fabs(ms);
    return size < 15 ? GREEN : size < 45 ? YELLOW : RED;
}

/* Names are cut to their column, between characters. */
static void cut_name(char *cut, size_t size, const char *name)
{
    size_t length = 0;
    size_t characters = 0;
    while (name[length] != '\0' && length < size - 4) {
        if (((unsigned char)name[length] & 0xc0) != 0x80 &&
            characters++ == NAMES_MAX)
            break;
        length++;
    }
    memcpy(cut, name, length);
    snprintf(cut + length, size - length, "%s",
             name[length] == '\0' ? "" : "\xe2\x80\xa6");
}

struct row {
    const char *name;
    const char *colour;
    int condition;
    bool is_ready;
    double error_ms;
    double round_trip_ms;
};

static void draw_row(struct text *events, int line, const struct row *row)
{
    char cell[96];
    cut_name(cell, sizeof cell, row->name);
    draw_cell(events, 0, line, row->colour, cell);
    draw_cell(events, 220, line, row->is_ready ? GREEN : GREY,
              row->is_ready ? "ready" : "\xe2\x80\x93");
    draw_cell(events, 310, line, WHITE, condition_words(row->condition));
    if (!isnan(row->error_ms)) {
        snprintf(cell, sizeof cell, "%+.1f ms", row->error_ms);
        draw_cell(events, 490, line, error_colour(row->error_ms), cell);
    }
    if (!isnan(row->round_trip_ms)) {
        snprintf(cell, sizeof cell, "%.0f ms", row->round_trip_ms);
        draw_cell(events, 620, line, GREY, cell);
    }
}

static const char *clock_words(int source)
{
    switch (source) {
    case PLAYSYNC_CLOCK_BROKER:
        return "the broker's clock";
    case PLAYSYNC_CLOCK_PEER:
        return "another player's clock";
    case PLAYSYNC_CLOCK_OWN:
        return "this player's clock";
    default:
        return "no clock yet";
    }
}

static void summarise(char *line, size_t size,
                      const playsync_own_status *status)
{
    if (!status->is_connected)
        snprintf(line, size, "not connected");
    else if (isnan(status->clock_error_ms))
        snprintf(line, size, "%s", clock_words(status->clock_source));
    else
        snprintf(line, size, "%s, known to %.1f ms",
                 clock_words(status->clock_source), status->clock_error_ms);
}

static void draw_people(struct text *events, const struct panel *panel,
                        playsync *engine)
{
    playsync_own_status own = {0};
    playsync_status(engine, clock_now(), &own);
    enum { ROWS_MAX = 12 };
    size_t others = own.peer_count < ROWS_MAX ? own.peer_count : ROWS_MAX;
    draw_box(events, PEOPLE_WIDTH, (int)others + 4);
    draw_cell(events, 0, 0, BLUE, panel->room);
    draw_cell(events, 490, 0, GREY, "off by");
    draw_cell(events, 620, 0, GREY, "ping");
    struct row row = {panel->name,     BLUE,         own.condition,
                      own.is_ready,    own.error_ms, own.round_trip_ms};
    draw_row(events, 1, &row);
    playsync_peer_status peer;
    for (size_t i = 0; i < others && playsync_peer(engine, i, &peer) == 0;
         i++) {
        row = (struct row){peer.name,     WHITE,         peer.condition,
                           peer.is_ready, peer.error_ms, peer.round_trip_ms};
        draw_row(events, (int)i + 2, &row);
    }
    char line[160];
    if (own.peer_count > others) {
        snprintf(line, sizeof line, "and %zu more", own.peer_count - others);
        draw_cell(events, 0, (int)others + 2, GREY, line);
    }
    summarise(line, sizeof line, &own);
    draw_cell(events, 0, (int)others + 3, GREY, line);
}

/* ---- The menu ------------------------------------------------------------ */

enum { ITEMS = 11, LABEL_SIZE = 96 };

struct item {
    char label[LABEL_SIZE];
    const char *command;
};

static void add_item(struct item *items, size_t *count, const char *command,
                     const char *label)
{
    snprintf(items[*count].label, LABEL_SIZE, "%s", label);
    items[(*count)++].command = command;
}

static size_t menu_items(struct item items[ITEMS], playsync *engine)
{
    playsync_own_status own = {0};
    size_t count = 0;
    if (playsync_status(engine, clock_now(), &own) != PLAYSYNC_OK) {
        add_item(items, &count, "join", "Join the room");
        return count;
    }
    static const char *const WAITS[] = {
        "Wait for who buffers: no",
        "Wait for who buffers: a while",
        "Wait for who buffers: always",
    };
    add_item(items, &count, "toggle", own.is_paused ? "Play" : "Pause");
    add_item(items, &count, "ready",
             own.is_ready ? "I am not ready" : "I am ready");
    add_item(items, &count, "chat", "Write to the others");
    add_item(items, &count, "people", "Who is here");
    add_item(items, &count, "undo", "Take the last back");
    add_item(items, &count, "redo", "Do it again");
    add_item(items, &count, "start 10", "Start in 10 seconds");
    add_item(items, &count, "next-start",
             own.start == PLAYSYNC_START_ALL_READY
                 ? "The film starts: when all are ready"
                 : "The film starts: when anybody likes");
    add_item(items, &count, "next-wait", WAITS[own.wait]);
    add_item(items, &count, "next-leave",
             own.pauses_on_leave ? "When somebody leaves: pause"
                                 : "When somebody leaves: play on");
    add_item(items, &count, "leave", "Leave the room");
    return count;
}

static void draw_menu(struct text *events, const struct panel *panel,
                      playsync *engine)
{
    struct item items[ITEMS];
    size_t count = menu_items(items, engine);
    draw_box(events, MENU_WIDTH, (int)count + 1);
    draw_cell(events, 0, 0, BLUE, panel->room);
    for (size_t i = 0; i < count; i++) {
        bool is_chosen = i == panel->chosen;
        if (is_chosen)
            draw_cell(events, 0, (int)i + 1, YELLOW, "\xe2\x80\xa3");
        draw_cell(events, 26, (int)i + 1, is_chosen ? YELLOW : WHITE,
                  items[i].label);
    }
}

static void draw(struct panel *panel, playsync *engine)
{
    struct text events;
    text_clear(&events);
    if (panel->page == PANEL_PEOPLE && engine != NULL)
        draw_people(&events, panel, engine);
    else if (panel->page == PANEL_MENU)
        draw_menu(&events, panel, engine);
    osd_draw(panel->mpv, OVERLAY_PANEL, events.bytes);
    panel->redraw_at =
        panel->page == PANEL_CLOSED ? INT64_MAX : clock_now() + REDRAW_NS;
}

/* ---- Opening, closing, choosing ------------------------------------------ */

void panel_open(struct panel *panel, mpv_handle *mpv)
{
    *panel = (struct panel){
        .mpv = mpv, .room = "", .name = "", .redraw_at = INT64_MAX};
    const char *define[] = {"define-section", SECTION, KEYS, "force", NULL};
    mpv_command_async(mpv, 0, define);
}

static void show(struct panel *panel, enum panel_page page, playsync *engine)
{
    panel->page = page;
    panel->chosen = 0;
    const char *command[] = {
        page == PANEL_MENU ? "enable-section" : "disable-section", SECTION,
        NULL};
    mpv_command_async(panel->mpv, 0, command);
    draw(panel, engine);
}

void panel_toggle(struct panel *panel, enum panel_page page, playsync *engine)
{
    show(panel, panel->page == page ? PANEL_CLOSED : page, engine);
}

void panel_close(struct panel *panel)
{
    if (panel->page != PANEL_CLOSED)
        show(panel, PANEL_CLOSED, NULL);
}

const char *panel_key(struct panel *panel, const char *key, playsync *engine)
{
    struct item items[ITEMS];
    size_t count = menu_items(items, engine);
    const char *command = NULL;
    if (panel->page != PANEL_MENU)
        return NULL;
    if (panel->chosen >= count)
        panel->chosen = count - 1;
    if (strcmp(key, "menu-up") == 0)
        panel->chosen = (panel->chosen + count - 1) % count;
    else if (strcmp(key, "menu-down") == 0)
        panel->chosen = (panel->chosen + 1) % count;
    else if (strcmp(key, "menu-choose") == 0)
        command = items[panel->chosen].command;
    else if (strcmp(key, "menu-close") == 0)
        panel->page = PANEL_CLOSED;
    /* What cycles is looked at again; all else closes the menu. */
    bool stays = command == NULL || strncmp(command, "next-", 5) == 0;
    if (panel->page == PANEL_CLOSED || !stays)
        show(panel, PANEL_CLOSED, engine);
    else
        draw(panel, engine);
    return command;
}

int64_t panel_next_timeout(const struct panel *panel)
{
    return panel->redraw_at;
}

void panel_handle_timeout(struct panel *panel, playsync *engine)
{
    if (clock_now() >= panel->redraw_at)
        draw(panel, engine);
}
