"""Eclipse Paho's Python client, meeting a broker: paho_peer.py URL LEVEL [CERTIFICATE]

LEVEL is 5 (MQTT 5.0) or 4 (3.1.1). Each case prints its name when it has held; the first that does not ends the
program with a traceback.

What Paho does not do by itself: it never looks at the Topic Alias of a message it receives, so a program that
announces a Topic Alias Maximum has to resolve aliases itself (`Peer.receive`).
"""

import os
import queue
import sys
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 60
URL = urllib.parse.urlparse(sys.argv[1])
LEVEL = int(sys.argv[2])
CERTIFICATE = sys.argv[3] if len(sys.argv) > 3 else None
IS_5 = LEVEL == 5
# Retained messages of one run are nothing to another run on the same broker.
RUN = f"paho{LEVEL}{URL.scheme}{os.getpid()}"


def properties(packet, **values):
    made = Properties(getattr(PacketTypes, packet))
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Peer:
    """A client whose callbacks are queues to wait at."""

    def __init__(self, name, will=None, lasting=False, **connect):
        self.connects, self.messages, self.answers = queue.Queue(), queue.Queue(), queue.Queue()
        self.aliases, self.aliases_used = {}, 0
        websockets = URL.scheme in ("ws", "wss")
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            f"{RUN}{name}",
            clean_session=None if IS_5 else not lasting,
            protocol=mqtt.MQTTv5 if IS_5 else mqtt.MQTTv311,
            transport="websockets" if websockets else "tcp",
            reconnect_on_failure=False,
        )
        if websockets:
            self.client.ws_set_options(path="/mqtt")
        if URL.scheme in ("mqtts", "wss"):
            self.client.tls_set(CERTIFICATE)
        if will:
            self.client.will_set(**will)
        self.client.on_connect = lambda _c, _u, flags, reason, answer: self.connects.put((flags, reason, answer))
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda _c, _u, _mid, reasons, _p: self.answers.put(reasons)
        self.client.on_unsubscribe = lambda _c, _u, _mid, reasons, _p: self.answers.put(reasons)
        arguments = {}
        if IS_5:
            arguments["clean_start"] = not lasting
            if lasting:
                connect["SessionExpiryInterval"] = 1000
            arguments["properties"] = properties("CONNECT", **connect)
        self.client.connect(URL.hostname, URL.port, **arguments)
        self.client.loop_start()
        self.flags, reason, self.answer = self.connects.get(timeout=PATIENCE)
        assert not reason.is_failure, reason

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic, qos=0, **options):
        """Subscribes, and gives the reason code, which is the granted QoS."""
        if IS_5:
            asked = {key: value for key, value in options.items() if key != "identifier"}
            extra = properties("SUBSCRIBE", SubscriptionIdentifier=options["identifier"]) if "identifier" in options else None
            self.client.subscribe(topic, options=SubscribeOptions(qos=qos, **asked), properties=extra)
        else:
            self.client.subscribe(topic, qos)
        (reason,) = self.answers.get(timeout=PATIENCE)
        return reason.value

    def unsubscribe(self, topic):
        self.client.unsubscribe(topic)
        return [reason.value for reason in self.answers.get(timeout=PATIENCE)]

    def publish(self, topic, payload, qos=0, retain=False, **values):
        """Publishes, and waits until the broker has acknowledged it."""
        extra = properties("PUBLISH", **values) if values else None
        info = self.client.publish(topic, payload, qos, retain, properties=extra)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), f"{topic} is not acknowledged"

    def receive(self):
        """The next message, with its topic's alias resolved."""
        message = self.messages.get(timeout=PATIENCE)
        alias = getattr(message.properties, "TopicAlias", None)
        self.aliases_used += not message.topic
        if alias and message.topic:
            self.aliases[alias] = message.topic
        elif alias:
            message.topic = self.aliases[alias].encode()
        return message

    def hears_nothing_before(self, topic, others):
        """Whether none of the others' messages comes before one that is published after them."""
        self.publish(topic, b"fence", 1)
        message = self.receive()
        assert message.payload == b"fence", f"{others}: {message.topic} {message.payload}"


def equal(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def messages_of_every_qos_arrive():
    topic = f"{RUN}/qos"
    with Peer("subscriber") as subscriber, Peer("publisher") as publisher:
        for granted in range(3):
            equal(subscriber.subscribe(topic, granted), granted)
            for qos in range(3):
                publisher.publish(topic, f"{granted}{qos}", qos)
                message = subscriber.receive()
                equal((message.topic, message.payload.decode()), (topic, f"{granted}{qos}"))
                equal((message.qos, message.retain, message.dup), (min(granted, qos), False, False))


def a_large_and_an_empty_message_arrive_whole():
    large = bytes(range(256)) * 2000
    with Peer("large") as peer:
        peer.subscribe(f"{RUN}/large", 2)
        for payload in (large, b""):
            peer.publish(f"{RUN}/large", payload, 2)
            assert peer.receive().payload == payload, "the payload has changed"


def many_messages_arrive_once_and_in_order():
    with Peer("reader") as reader, Peer("writer") as writer:
        reader.subscribe(f"{RUN}/many", 2)
        infos = [writer.client.publish(f"{RUN}/many", str(number), 2) for number in range(500)]
        equal([int(reader.receive().payload) for _ in infos], list(range(500)))
        for info in infos:
            info.wait_for_publish(PATIENCE)


def a_retained_message_waits_until_it_is_cleared():
    topic = f"{RUN}/retained"
    with Peer("keeper") as keeper:
        keeper.publish(topic, b"kept", 1, retain=True)
        for payload in (b"kept", b""):
            with Peer("late") as late:
                late.subscribe(topic, 1)
                if payload:
                    message = late.receive()
                    equal((message.payload, message.retain), (payload, True))
                else:
                    late.hears_nothing_before(topic, "a cleared message")
            keeper.publish(topic, b"", 1, retain=True)


def the_will_of_a_client_that_is_lost_is_published():
    will = {"topic": f"{RUN}/will", "payload": b"gone", "qos": 1, "retain": True}
    if IS_5:
        will["properties"] = properties("WILLMESSAGE", ContentType="text/plain", UserProperty=("b", "1"))
    with Peer("watcher") as watcher:
        watcher.subscribe(will["topic"], 1)
        with Peer("leaver", will):
            pass
        watcher.hears_nothing_before(will["topic"], "the will of one who took leave")
        lost = Peer("lost", will)
        lost.client.loop_stop()
        lost.client.socket().close()
        message = watcher.receive()
        equal((message.payload, message.qos, message.retain), (b"gone", 1, False))
        if IS_5:
            equal((message.properties.ContentType, message.properties.UserProperty), ("text/plain", [("b", "1")]))
    with Peer("late watcher") as late:
        late.subscribe(will["topic"], 1)
        equal(late.receive().retain, True)
        late.publish(will["topic"], b"", 1, retain=True)


def a_session_waits_for_its_client():
    topic = f"{RUN}/session"
    with Peer("away", lasting=True) as away:
        equal(away.flags.session_present, False)
        away.subscribe(topic, 2)
    with Peer("sender") as sender:
        for qos in (1, 2):
            sender.publish(topic, f"at {qos}", qos)
    with Peer("away", lasting=True) as away:
        equal(away.flags.session_present, True)
        equal([(m.payload, m.qos) for m in (away.receive(), away.receive())], [(b"at 1", 1), (b"at 2", 2)])
    with Peer("away") as away:
        equal(away.flags.session_present, False)


def wildcards_and_unsubscribing():
    with Peer("wild") as wild:
        wild.subscribe(f"{RUN}/+/end/#", 1)
        for topic in (f"{RUN}/a/end", f"{RUN}/a/end/b/c"):
            wild.publish(topic, b"it", 1)
            equal(wild.receive().topic, topic)
        wild.publish(f"{RUN}/a/b/end", b"no match", 1)
        wild.hears_nothing_before(f"{RUN}/x/end", "another topic")
        first, second = wild.unsubscribe(f"{RUN}/+/end/#"), wild.unsubscribe(f"{RUN}/+/end/#")
        if IS_5:
            equal((first, second), ([0], [0x11]))


def every_property_of_a_message_passes_through():
    values = {
        "PayloadFormatIndicator": 1,
        "ContentType": "text/plain",
        "ResponseTopic": f"{RUN}/answer",
        "CorrelationData": b"\x00\x01\xff",
        "UserProperty": [("b", "1"), ("a", "2"), ("b", "1")],
    }
    with Peer("properties") as peer:
        peer.subscribe(f"{RUN}/properties", 1)
        peer.publish(f"{RUN}/properties", "wörld".encode(), 1, MessageExpiryInterval=1000, **values)
        arrived = peer.receive().properties
        equal({name: getattr(arrived, name) for name in values}, values)
        # Whole seconds are left, and a busy machine may have spent a few.
        assert 900 < arrived.MessageExpiryInterval <= 1000, arrived.MessageExpiryInterval


def aliases_stand_for_topics_both_ways():
    topic = f"{RUN}/alias"
    with Peer("alias", TopicAliasMaximum=5) as peer:
        assert peer.answer.TopicAliasMaximum > 0, "the broker takes no aliases"
        peer.subscribe(topic, 1)
        peer.publish(topic, b"first", 1, TopicAlias=1)
        peer.publish("", b"second", 1, TopicAlias=1)
        heard = [peer.receive() for _ in range(2)]
        equal([(m.topic, m.payload) for m in heard], [(topic, b"first"), (topic, b"second")])
        assert peer.aliases_used, "the broker has sent no alias in place of a topic"


def subscription_identifiers_tell_which_matched():
    with Peer("identifiers") as peer:
        peer.subscribe(f"{RUN}/id/+", 1, identifier=7)
        peer.subscribe(f"{RUN}/id/#", 1, identifier=268435455)
        peer.publish(f"{RUN}/id/a", b"both", 1)
        equal(sorted(peer.receive().properties.SubscriptionIdentifier), [7, 268435455])
        peer.hears_nothing_before(f"{RUN}/id/b", "a second copy")


def subscription_options_are_obeyed():
    topic = f"{RUN}/options"
    with Peer("options") as peer, Peer("other") as other:
        other.publish(topic, b"kept", 1, retain=True)
        peer.subscribe(topic, 1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        peer.publish(topic, b"my own", 1)
        other.publish(topic, b"live", 1, retain=True)
        message = peer.receive()
        equal((message.payload, message.retain), (b"live", False))
        peer.subscribe(topic, 1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        other.publish(topic, b"", 1, retain=True)
        message = peer.receive()
        equal((message.payload, message.retain), (b"", True))


def a_shared_subscription_gives_each_message_to_one():
    with Peer("ann") as ann, Peer("ben") as ben, Peer("boss") as boss:
        for worker in (ann, ben):
            equal(worker.subscribe(f"$share/workers/{RUN}/work/#", 1), 1)
            worker.subscribe(f"{RUN}/end", 1)
        for number in range(20):
            boss.publish(f"{RUN}/work/{number}", str(number), 1)
        boss.publish(f"{RUN}/end", b"end", 1)
        work = {worker: list(iter(lambda: worker.receive().payload, b"end")) for worker in (ann, ben)}
        equal(sorted(int(payload) for done in work.values() for payload in done), list(range(20)))
        assert all(work.values()), f"one has done all the work: {work}"


def a_small_receive_maximum_slows_and_loses_nothing():
    with Peer("slow", ReceiveMaximum=3) as slow:
        slow.subscribe(f"{RUN}/slow", 2)
        for number in range(100):
            slow.client.publish(f"{RUN}/slow", str(number), number % 2 + 1)
        heard = [slow.receive() for _ in range(100)]
        # The order is kept for each QoS.
        for qos in (1, 2):
            numbers = [int(message.payload) for message in heard if message.qos == qos]
            equal(numbers, [number for number in range(100) if number % 2 + 1 == qos])


CASES = [
    messages_of_every_qos_arrive,
    a_large_and_an_empty_message_arrive_whole,
    many_messages_arrive_once_and_in_order,
    a_retained_message_waits_until_it_is_cleared,
    the_will_of_a_client_that_is_lost_is_published,
    a_session_waits_for_its_client,
    wildcards_and_unsubscribing,
]
CASES_OF_5 = [
    every_property_of_a_message_passes_through,
    aliases_stand_for_topics_both_ways,
    subscription_identifiers_tell_which_matched,
    subscription_options_are_obeyed,
    a_shared_subscription_gives_each_message_to_one,
    a_small_receive_maximum_slows_and_loses_nothing,
]

for case in CASES + (CASES_OF_5 if IS_5 else []):
    case()
    print(case.__name__, flush=True)
