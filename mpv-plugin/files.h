/* files.h: knows films by content, finds those that the room watches. */
#ifndef PLUGIN_FILES_H
#define PLUGIN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FINGERPRINT_SIZE = 33, PATH_SIZE = 4096 };

/* Writes what playsync says of a file's content; false if it cannot be read. */
bool files_fingerprint(const char *path, char fingerprint[FINGERPRINT_SIZE]);

/* Looks for a file of that name, and of that size unless it is negative: first
 * beside the file that is open (`beside`, or NULL), then in `folders`, which
 * stand between colons, and what is below them. */
bool files_find(const char *name, int64_t size, const char *beside,
                const char *folders, char found[PATH_SIZE]);

/* Whether a URL is a web page's of one of the domains, which stand between
 * commas, or of one below it. */
bool files_is_trusted(const char *url, const char *domains);

#endif
