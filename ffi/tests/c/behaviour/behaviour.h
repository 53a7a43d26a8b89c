/* What the cases share. */
#ifndef BEHAVIOUR_H
#define BEHAVIOUR_H

#include <mqtt.h>

#include <stdbool.h>
#include <stdint.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))

enum { PATIENCE_MS = 20000 };

/* Where the server is. */
extern const char *url;

void fail(const char *file, int line, const char *condition);
uint64_t now(void);
mqtt_client *connected(void);
void subscribe(mqtt_client *c, const char *filter, unsigned flags,
               mqtt_message_fn handler, void *user);
void publish(mqtt_client *c, const char *topic, const char *text, int qos);

/* The next event of a type; others are passed over. */
const mqtt_event *next(mqtt_client *c, int type);
bool text_is(const char *text, const char *expected);

/* The cases. */
void outcomes(void);
void stamps(void);
void properties(void);
void nulls(void);
void descriptor(void);
void wakeup(void);
void wake(void);
void handlers(void);
void free_in_handler(void);
void manual_ack(void);
void forked(void);
void signals(void);
void farewell(void);
void silent_server(void);
void lives(void);
void threads(void);
void comes_back(void);
void borrowed(void);
void cancelled(void);
void callback_thread(void);
void free_in_callback_thread(void);
void several_servers(void);
void killed(void);
void raised(void);

#endif
