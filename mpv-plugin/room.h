/* room.h: the network side: carries the engine's messages to the room's topics
 * and the room's messages to the engine. */
#ifndef PLUGIN_ROOM_H
#define PLUGIN_ROOM_H

#include <mpv/client.h>
#include <mqtt.h>
#include <playsync.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed.h"
#include "options.h"

enum {
    PEER_ID_SIZE = 17,
    PREFIX_SIZE = ROOM_SIZE + 16,
    TOPIC_SIZE = PREFIX_SIZE + 128,
    ASKED_MAX = 8, /* questions to the clock whose write is not yet stamped */
    CORRELATION_SIZE = 8,
};

struct question {
    mqtt_op op; /* 0: this place is free */
    uint8_t correlation[CORRELATION_SIZE];
};

struct room {
    mpv_handle *mpv;
    struct feed *feed;
    playsync *engine;
    mqtt_client *client; /* NULL outside of a room */
    char prefix[PREFIX_SIZE];
    char answer_topic[TOPIC_SIZE];
    mqtt_op subscribing;
    struct question asked[ASKED_MAX];
    size_t next_question;
    bool told_failure;   /* the viewer knows that the room cannot be reached */
    bool told_malformed; /* and that somebody sends what is not understood */
};

/* Begins to connect; never waits. False with a sentence in `error` when the
 * options cannot be used. */
bool room_open(struct room *room, struct feed *feed, playsync *engine,
               const struct options *options, const char *peer_id, char *error,
               size_t error_size);

/* Says farewell if the room can be reached, for at most a fifth of a second. */
void room_close(struct room *room);

/* Readable while room_drain() has something to do; -1 outside of a room. */
int room_fd(const struct room *room);

/* Tells the engine everything that has come. */
void room_drain(struct room *room);

/* Sends what the engine asks to send; false if it asks something else. */
bool room_perform(struct room *room, const playsync_output *output);

#endif
