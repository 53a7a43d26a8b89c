/* text.c: a text that grows up to a limit, for drawing on the picture. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_clear(struct text *text)
{
    text->length = 0;
    text->bytes[0] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
    size_t left = TEXT_SIZE - text->length;
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(text->bytes + text->length, left, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < left)
        text->length += (size_t)length;
    text->bytes[text->length] = '\0';
}

/* libass takes { } and \ for its own. A word joiner after a backslash keeps it
 * from meaning anything; mpv escapes texts in the same way. */
void text_add_words(struct text *text, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == '\\')
            text_add(text, "\\\xe2\x81\xa0");
        else if (*words == '{')
            text_add(text, "\\{");
        else if (*words == '\n')
            text_add(text, " ");
        else
            text_add(text, "%c", *words);
    }
}

size_t text_last_character(const char *bytes, size_t length)
{
    size_t start = length;
    while (start > 0) {
        start--;
        if (((unsigned char)bytes[start] & 0xc0) != 0x80)
            break;
    }
    return length - start;
}

size_t text_fitting(const char *words, size_t size)
{
    size_t length = strlen(words);
    if (length < size)
        return length;
    length = size - 1;
    while (length > 0 && ((unsigned char)words[length] & 0xc0) == 0x80)
        length--;
    return length;
}
