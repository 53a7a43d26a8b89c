/* input.h: the line at the bottom in which one writes to the others. */
#ifndef PLUGIN_INPUT_H
#define PLUGIN_INPUT_H

#include <mpv/client.h>
#include <stdbool.h>
#include <stddef.h>

enum { INPUT_SIZE = 1025 };

struct input {
    mpv_handle *mpv;
    bool is_open;
    size_t length;
    char line[INPUT_SIZE];
};

void input_open(struct input *input, mpv_handle *mpv);

/* Begins and ends to take the keys. What was written stays for next time. */
void input_begin(struct input *input);
void input_end(struct input *input);

/* Takes a key by the name of its binding; true when the line is finished and
 * is to be read from `line` before input_take(). */
bool input_key(struct input *input, const char *key, const char *typed);

/* Empties the line. */
void input_take(struct input *input);

#endif
