/* files.c: knows films by content, finds those that the room watches. */
#include "files.h"

#include <dirent.h>
#include <playsync.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A folder of films is neither deep nor endless; a whole disk is both. */
enum { DEPTH_MAX = 4, ENTRIES_MAX = 20000 };

/* ---- Content ------------------------------------------------------------- */

static bool read_parts(FILE *file, uint8_t *parts, size_t *length,
                       uint64_t *size)
{
    if (fseeko(file, 0, SEEK_END) != 0)
        return false;
    off_t end = ftello(file);
    if (end < 0)
        return false;
    *size = (uint64_t)end;
    *length = *size < PLAYSYNC_FINGERPRINT_PART ? (size_t)*size
                                                : PLAYSYNC_FINGERPRINT_PART;
    rewind(file);
    if (fread(parts, 1, *length, file) != *length)
        return false;
    if (fseeko(file, end - (off_t)*length, SEEK_SET) != 0)
        return false;
    return fread(parts + *length, 1, *length, file) == *length;
}

bool files_fingerprint(const char *path, char fingerprint[FINGERPRINT_SIZE])
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    uint8_t *parts = malloc(2 * PLAYSYNC_FINGERPRINT_PART);
    FILE *file = fopen(path, "rbe");
    size_t length = 0;
    uint64_t size = 0;
    char result[1][FINGERPRINT_SIZE];
    bool is_read = parts != NULL && file != NULL &&
                   read_parts(file, parts, &length, &size) &&
                   playsync_fingerprint(size, parts, length, parts + length,
                                        length, result) == PLAYSYNC_OK;
    if (is_read)
        memcpy(fingerprint, result[0], FINGERPRINT_SIZE);
    if (file != NULL)
        fclose(file);
    free(parts);
    return is_read;
}

/* ---- Where it is --------------------------------------------------------- */

struct search {
    const char *name;
    int64_t size;
    char *found;
    int entries_left;
};

static bool is_sought(const struct search *search, const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           (search->size < 0 || status.st_size == search->size);
}

static bool look_into(struct search *search, const char *folder, int depth);

static bool look_at(struct search *search, const char *folder,
                    const struct dirent *entry, int depth)
{
    char path[PATH_SIZE];
    int length =
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (length < 0 || length >= PATH_SIZE)
        return false;
    if (strcmp(entry->d_name, search->name) == 0 && is_sought(search, path)) {
        memcpy(search->found, path, (size_t)length + 1);
        return true;
    }
    bool may_be_folder =
        entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    return may_be_folder && entry->d_name[0] != '.' && depth < DEPTH_MAX &&
           look_into(search, path, depth + 1);
}

static bool look_into(struct search *search, const char *folder, int depth)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return false;
    bool is_found = false;
    const struct dirent *entry;
    while (!is_found && search->entries_left-- > 0 &&
           (entry = readdir(entries)) != NULL)
        is_found = look_at(search, folder, entry, depth);
    closedir(entries);
    return is_found;
}

static bool look_beside(struct search *search, const char *beside)
{
    const char *slash = beside != NULL ? strrchr(beside, '/') : NULL;
    size_t folder = slash != NULL ? (size_t)(slash - beside) : 0;
    char path[PATH_SIZE];
    int length = slash != NULL ? snprintf(path, sizeof path, "%.*s/%s",
                                          (int)folder, beside, search->name)
                               : snprintf(path, sizeof path, "%s",
                                          search->name);
    if (length < 0 || length >= PATH_SIZE || !is_sought(search, path))
        return false;
    memcpy(search->found, path, (size_t)length + 1);
    return true;
}

bool files_find(const char *name, int64_t size, const char *beside,
                const char *folders, char found[PATH_SIZE])
{
    /* A name from the room is a name and no path. */
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return false;
    struct search search = {name, size, found, ENTRIES_MAX};
    if (look_beside(&search, beside))
        return true;
    char copy[PATH_SIZE];
    snprintf(copy, sizeof copy, "%s", folders);
    char *rest = NULL;
    for (char *folder = strtok_r(copy, ":", &rest); folder != NULL;
         folder = strtok_r(NULL, ":", &rest))
        if (look_into(&search, folder, 0))
            return true;
    return false;
}

/* ---- Whom to trust ------------------------------------------------------- */

static bool is_below(const char *host, size_t length, const char *domain,
                     size_t domain_length)
{
    if (domain_length == 0 || length < domain_length)
        return false;
    const char *end = host + length - domain_length;
    bool is_whole = end == host || end[-1] == '.';
    return is_whole && strncasecmp(end, domain, domain_length) == 0;
}

bool files_is_trusted(const char *url, const char *domains)
{
    static const char *const SCHEMES[] = {"https://", "http://"};
    const char *host = NULL;
    for (size_t i = 0; i < 2; i++)
        if (strncasecmp(url, SCHEMES[i], strlen(SCHEMES[i])) == 0)
            host = url + strlen(SCHEMES[i]);
    if (host == NULL)
        return false;
    /* A name before an @ would only look like the host. */
    size_t length = strcspn(host, "/?#\\");
    if (memchr(host, '@', length) != NULL)
        return false;
    length = strcspn(host, ":/?#\\");
    while (domains[0] != '\0') {
        size_t domain_length = strcspn(domains, ",");
        if (is_below(host, length, domains, domain_length))
            return true;
        domains += domain_length + (domains[domain_length] == ',');
    }
    return false;
}
