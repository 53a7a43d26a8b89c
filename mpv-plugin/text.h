/* text.h: a text that grows up to a limit, for drawing on the picture. */
#ifndef PLUGIN_TEXT_H
#define PLUGIN_TEXT_H

#include <stddef.h>

enum { TEXT_SIZE = 16384 };

/* What does not fit is left out. */
struct text {
    size_t length;
    char bytes[TEXT_SIZE];
};

void text_clear(struct text *text);

/* Adds drawing code as it is. */
__attribute__((format(printf, 2, 3))) void text_add(struct text *text,
                                                    const char *format, ...);

/* Adds the words of people, so that nothing in them is drawing code. */
void text_add_words(struct text *text, const char *words);

/* How many bytes the last character of `length` bytes of UTF-8 takes. */
size_t text_last_character(const char *bytes, size_t length);

/* The longest part of `words` that `size` bytes hold with their end, cut
 * between characters. */
size_t text_fitting(const char *words, size_t size);

#endif
