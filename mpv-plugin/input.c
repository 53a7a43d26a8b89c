/* input.c: the line at the bottom in which one writes to the others.
 *
 * A line that begins with / is a command; Tab completes its name. */
#include "input.h"

#include "commands.h"
#include "osd.h"
#include "text.h"

#include <string.h>

enum { FONT_SIZE = 28, MARGIN = 18, HINTS = 10 };

static const char SECTION[] = "playsync-input";

/* Forced, so that no key reaches the player while one writes. */
static const char KEYS[] =
    "any_unicode script-binding playsync/input-type\n"
    "SPACE script-binding playsync/input-type\n"
    "BS script-binding playsync/input-erase\n"
    "Shift+BS script-binding playsync/input-erase\n"
    "Ctrl+w script-binding playsync/input-erase-word\n"
    "Ctrl+u script-binding playsync/input-erase-all\n"
    "TAB script-binding playsync/input-complete\n"
    "ENTER script-binding playsync/input-send\n"
    "KP_ENTER script-binding playsync/input-send\n"
    "ESC script-binding playsync/input-close\n";

void input_open(struct input *input, mpv_handle *mpv)
{
    *input = (struct input){.mpv = mpv};
    const char *define[] = {"define-section", SECTION, KEYS, "force", NULL};
    mpv_command_async(mpv, 0, define);
}

/* Below the line, the commands that begin as it does. */
static void draw_hints(struct text *events, const struct input *input)
{
    if (input->line[0] != '/')
        return;
    const char *written = input->line + 1;
    size_t length = strcspn(written, " ");
    text_add(events,
             "{\\an1\\pos(%d,%d)\\fs20\\bord1.5\\1c&HC8C8C8&\\3c&H101010&}",
             MARGIN, CANVAS_HEIGHT - MARGIN - FONT_SIZE - 14);
    size_t shown = 0;
    for (size_t i = 0; command_name(i) != NULL && shown < HINTS; i++) {
        const char *name = command_name(i);
        bool is_whole = strlen(name) == length;
        if (strncmp(name, written, length) != 0 ||
            (written[length] != '\0' && !is_whole))
            continue;
        shown++;
        text_add_words(events, is_whole ? command_usage(i) : name);
        text_add(events, "    ");
        if (is_whole)
            break;
    }
    text_add(events, "\n");
}

static void draw(const struct input *input)
{
    struct text events;
    text_clear(&events);
    if (input->is_open) {
        draw_hints(&events, input);
        text_add(&events,
                 "{\\an1\\pos(%d,%d)\\fs%d\\bord2\\shad0\\3c&H101010&"
                 "\\1c&H7FD4FF&}> {\\1c&HFFFFFF&}",
                 MARGIN, CANVAS_HEIGHT - MARGIN, FONT_SIZE);
        text_add_words(&events, input->line);
        text_add(&events, "{\\1c&H7FD4FF&}|\n");
    }
    osd_draw(input->mpv, OVERLAY_INPUT, events.bytes);
}

static void section(const struct input *input, const char *command)
{
    const char *words[] = {command, SECTION, NULL};
    mpv_command_async(input->mpv, 0, words);
}

void input_begin(struct input *input)
{
    input->is_open = true;
    section(input, "enable-section");
    draw(input);
}

void input_end(struct input *input)
{
    input->is_open = false;
    section(input, "disable-section");
    draw(input);
}

void input_take(struct input *input)
{
    input->length = 0;
    input->line[0] = '\0';
}

static void shorten(struct input *input, size_t by)
{
    input->length -= by;
    input->line[input->length] = '\0';
}

static void type(struct input *input, const char *typed)
{
    size_t length = strlen(typed);
    if (input->length + length >= INPUT_SIZE)
        return;
    memcpy(input->line + input->length, typed, length + 1);
    input->length += length;
}

static void erase_word(struct input *input)
{
    while (input->length > 0 && input->line[input->length - 1] == ' ')
        shorten(input, 1);
    while (input->length > 0 && input->line[input->length - 1] != ' ')
        shorten(input, 1);
}

/* As far as all commands agree that begin as the line does. */
static void complete(struct input *input)
{
    if (input->line[0] != '/' || strchr(input->line, ' ') != NULL)
        return;
    const char *first = NULL;
    size_t agreed = 0;
    size_t written = input->length - 1;
    for (size_t i = 0; command_name(i) != NULL; i++) {
        const char *name = command_name(i);
        if (strncmp(name, input->line + 1, written) != 0)
            continue;
        size_t same = 0;
        while (first != NULL && first[same] == name[same] &&
               name[same] != '\0' && same < agreed)
            same++;
        agreed = first == NULL ? strlen(name) : same;
        first = first == NULL ? name : first;
    }
    if (first == NULL)
        return;
    bool is_whole = agreed == strlen(first);
    char rest[INPUT_SIZE];
    size_t length = agreed - written;
    memcpy(rest, first + written, length);
    rest[length] = '\0';
    type(input, rest);
    if (is_whole)
        type(input, " ");
}

bool input_key(struct input *input, const char *key, const char *typed)
{
    bool is_finished = strcmp(key, "input-send") == 0;
    if (strcmp(key, "input-type") == 0)
        type(input, typed != NULL ? typed : "");
    else if (strcmp(key, "input-erase") == 0)
        shorten(input, text_last_character(input->line, input->length));
    else if (strcmp(key, "input-erase-word") == 0)
        erase_word(input);
    else if (strcmp(key, "input-erase-all") == 0)
        input_take(input);
    else if (strcmp(key, "input-complete") == 0)
        complete(input);
    if (is_finished || strcmp(key, "input-close") == 0)
        input_end(input);
    else
        draw(input);
    return is_finished;
}
