//! What a client may do: asked of each message and subscription, and again when the rules change.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use data_encoding::BASE64;
use dialogue::*;
use mqtt_broker::access::{Acl, Room, Rooms, Rules};
use mqtt_broker::core::Access;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::users::Users;
use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::ReasonCode::{NotAuthorized, Success};
use mqtt_protocol::*;
use ring::pbkdf2;

/// A hash of the kind that mosquitto makes, which takes no time.
fn quick_hash(password: &str) -> String {
    let (salt, mut hash) = (b"salt", [0; 64]);
    let (algorithm, count) = (pbkdf2::PBKDF2_HMAC_SHA512, NonZeroU32::new(101).unwrap());
    pbkdf2::derive(algorithm, count, salt, password.as_bytes(), &mut hash);
    format!("$7${count}${}${}", BASE64.encode(salt), BASE64.encode(&hash))
}

/// Each user's password is the name.
static USERS: LazyLock<Arc<Users>> = LazyLock::new(|| users(&["ann", "ben", "eve", "@film"]));

fn users(names: &[&str]) -> Arc<Users> {
    let lines = names.iter().map(|name| format!("{name}:{}\n", quick_hash(name)));
    Arc::new(Users::parse(&lines.collect::<String>()).unwrap())
}

fn access(acl: &str) -> Access {
    let rules = Rules { acl: Some(Acl::parse(acl).unwrap()), ..Rules::default() };
    Access { users: Some(USERS.clone()), rules: rules.into(), ..Access::default() }
}

fn broker(acl: &str) -> Broker {
    Broker::with(Limits::default(), access(acl))
}

impl Broker {
    /// Connects, with a session that outlives the connection and the password that is the name.
    fn log_in(&mut self, user: &str) -> Client {
        let (client, packet) = self.try_log_in(&login(user, user));
        assert!(matches!(&packet, Packet::ConnAck(ack) if ack.reason == Success), "{packet:?}");
        client
    }

    fn try_log_in(&mut self, connect: &Connect<'_>) -> (Client, Packet<'static>) {
        let client = self.open();
        self.send(client, &Packet::Connect(connect.clone()));
        while let Some((client, check)) = self.checks.pop() {
            self.core.handle_password_checked(client, check.is_right(), self.now);
            self.settle();
        }
        (client, self.receive(client))
    }

    fn refusal_of(&mut self, connect: &Connect<'_>) -> ReasonCode {
        match self.try_log_in(connect).1 {
            Packet::ConnAck(connack) => connack.reason,
            other => panic!("no CONNACK: {other:?}"),
        }
    }

    fn change(&mut self, access: Access) {
        self.core.change_access(access, self.now);
        self.settle();
    }
}

fn login<'a>(user: &'a str, password: &'a str) -> Connect<'a> {
    let mut connect = connect(user);
    connect.user_name = Some(Text::new(user).unwrap());
    connect.password = Some(Binary::new(password.as_bytes()).unwrap());
    connect.properties.session_expiry_interval = Some(1000);
    connect
}

fn with_will<'a>(connect: Connect<'a>, topic: &'a str) -> Connect<'a> {
    Connect { will: Some(Will { retain: true, ..will(topic, "gone", None) }), ..connect }
}

const HOME: &str = "user ann\ntopic home/#\nuser ben\ntopic read home/#\ntopic deny home/safe\n";

#[test]
fn who_may_not_publish_is_told_and_nobody_hears_it() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    broker.subscribe(ann, "#", AtMostOnce);
    assert_eq!(broker.publish_1(ben, "home/lamp", "on"), NotAuthorized);
    assert_eq!(broker.publish_1(ann, "away", "on"), NotAuthorized);
    broker.publish(ben, "home/lamp", "on");
    broker.send(ben, &retained("home/lamp", "on"));
    let second = Publish { ..publish_at(ExactlyOnce, 3, "home/lamp", "on") };
    broker.send(ben, &second.into());
    let refused = broker.receive(ben);
    assert!(matches!(refused, Packet::PubRec(ack) if ack.reason == NotAuthorized));
    assert_eq!(broker.messages(ann), [""; 0]);
    assert_eq!(broker.core.retained_count(), 0);
    broker.publish(ann, "home/lamp", "on");
    assert_eq!(broker.messages(ann), ["on"]);
}

#[test]
fn a_subscription_brings_what_may_be_received_and_no_more() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    for (filter, reason) in [
        ("home/safe", NotAuthorized),
        ("away/#", NotAuthorized),
        ("$share/g/home/safe", NotAuthorized),
        ("home/#", Success),
        ("#", Success),
    ] {
        let granted = broker.try_subscribe(ben, subscription(filter, AtMostOnce), None);
        assert_eq!(granted, reason, "{filter}");
    }
    for topic in ["home/lamp", "home/safe"] {
        // Twice, so that the route of the first is used.
        broker.publish(ann, topic, topic);
        broker.publish(ann, topic, topic);
        broker.send(ann, &retained(topic, topic));
    }
    assert_eq!(broker.messages(ben), ["home/lamp"; 3]);
    broker.subscribe(ben, "home/+", AtMostOnce);
    assert_eq!(broker.messages(ben), ["home/lamp"], "of the retained ones");
}

/// The member who may not have a message is passed over.
#[test]
fn a_group_gives_its_messages_to_those_who_may_have_them() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    for client in [ann, ben] {
        broker.subscribe(client, "$share/g/home/#", AtMostOnce);
    }
    for _ in 0..3 {
        broker.publish(ann, "home/safe", "gold");
    }
    assert_eq!(broker.messages(ann), ["gold"; 3]);
    broker.lose(ann);
    let other = broker.log_in("ann");
    broker.lose(other);
    assert_eq!(broker.messages(ben), [""; 0]);
}

/// A will is no way around the rules, neither when it is made nor when it is published.
#[test]
fn a_will_is_published_only_by_who_may() {
    let mut broker = broker(HOME);
    let ben = login("ben", "ben");
    assert_eq!(broker.refusal_of(&with_will(ben.clone(), "home/lamp")), NotAuthorized);

    let [ann, other] = ["home/lamp", "home/door"].map(|topic| {
        let connect = with_will(
            Connect { client_id: Text::new(topic).unwrap(), ..login("ann", "ann") },
            topic,
        );
        broker.try_log_in(&connect).0
    });
    let ben = broker.log_in("ben");
    broker.subscribe(ben, "#", AtMostOnce);
    broker.lose(ann);
    assert_eq!(broker.messages(ben), ["gone"]);
    broker.change(access("user ben\ntopic read #\n"));
    broker.lose(other);
    assert_eq!(broker.messages(ben), [""; 0]);
    assert_eq!(broker.core.retained_count(), 1);
}

/// What was retained by somebody who may not any more does not go out (CVE-2018-12546).
#[test]
fn a_retained_message_is_worth_what_its_publisher_is() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    broker.send(ann, &retained("home/lamp", "on"));
    broker.subscribe(ben, "home/lamp", AtMostOnce);
    assert_eq!(broker.messages(ben), ["on"]);
    broker.change(access("user ben\ntopic read home/#\nuser ann\ntopic read home/#\n"));
    broker.subscribe(ben, "home/lamp", AtMostOnce);
    assert_eq!(broker.messages(ben), [""; 0]);
    broker.change(access(HOME));
    broker.subscribe(ben, "home/lamp", AtMostOnce);
    assert_eq!(broker.messages(ben), ["on"], "it was kept");
}

/// CVE-2021-34434: a subscription stays after the right to it is gone.
#[test]
fn a_right_taken_away_ends_subscriptions_and_empties_queues() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    broker.subscribe(ben, "home/lamp", AtLeastOnce);
    broker.subscribe(ben, "home/door", AtLeastOnce);
    let publish_both = |broker: &mut Broker| {
        for topic in ["home/lamp", "home/door"] {
            assert_eq!(broker.publish_1(ann, topic, topic), Success);
        }
    };
    publish_both(&mut broker);
    assert_eq!(broker.messages(ben).len(), 2);
    // Two are in flight, and two come to wait.
    broker.lose(ben);
    publish_both(&mut broker);
    broker.change(access("user ann\ntopic home/#\nuser ben\ntopic read home/door\n"));
    let (ben, connack) = broker.try_log_in(&login("ben", "ben"));
    assert!(matches!(connack, Packet::ConnAck(ack) if ack.session_present));
    broker.publish(ann, "home/lamp", "late");
    broker.publish(ann, "home/door", "late");
    assert_eq!(broker.messages(ben), ["home/door", "home/door", "late"]);
    assert_eq!(broker.unsubscribe(ben, &["home/lamp"]), [ReasonCode::NoSubscriptionExisted]);
    broker.change(access(HOME));
    broker.publish(ann, "home/lamp", "later");
    assert_eq!(broker.messages(ben), [""; 0]);
}

/// Rules may change while the broker is not running.
#[test]
fn what_was_stored_under_other_rules_is_looked_at_again() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    for topic in ["home/lamp", "home/door"] {
        broker.subscribe(ben, topic, AtLeastOnce);
    }
    let publish_both = |broker: &mut Broker| {
        for topic in ["home/lamp", "home/door"] {
            assert_eq!(broker.publish_1(ann, topic, topic), Success);
        }
    };
    publish_both(&mut broker);
    assert_eq!(broker.messages(ben).len(), 2, "they are in flight");
    broker.lose(ben);
    publish_both(&mut broker);
    broker.core.shut_down(broker.now);
    broker.settle();
    let rules = "user ann\ntopic home/#\nuser ben\ntopic read home/door\n";
    let mut broker = broker.go_on_as(access(rules));
    let ben = broker.log_in("ben");
    assert_eq!(broker.messages(ben), ["home/door"; 2]);
    assert_eq!(broker.unsubscribe(ben, &["home/lamp"]), [ReasonCode::NoSubscriptionExisted]);
    // The session is still ben's.
    let connect = Connect { client_id: Text::new("ben").unwrap(), ..login("ann", "ann") };
    assert_eq!(broker.refusal_of(&connect), ReasonCode::ClientIdentifierNotValid);
}

/// The route of a publisher is found anew when the rules have changed.
#[test]
fn new_rules_are_for_the_next_message() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    broker.subscribe(ben, "#", AtMostOnce);
    broker.publish(ann, "home/lamp", "1");
    broker.change(access("user ann\ntopic home/#\nuser ben\ntopic read other\n"));
    broker.publish(ann, "home/lamp", "2");
    broker.change(access("user ben\ntopic read #\n"));
    assert_eq!(broker.publish_1(ann, "home/lamp", "3"), NotAuthorized);
    broker.change(access(HOME));
    broker.publish(ann, "home/lamp", "4");
    assert_eq!(broker.messages(ben), ["1", "4"]);
}

#[test]
fn who_would_not_be_let_in_any_more_has_to_go() {
    let mut broker = broker(HOME);
    let [ann, ben] = ["ann", "ben"].map(|user| broker.log_in(user));
    broker.change(access(HOME));
    assert!(!broker.is_closed(ann) && !broker.is_closed(ben), "nothing has changed");
    let without_ben = Access { users: Some(users(&["ann"])), ..access(HOME) };
    broker.change(without_ben);
    assert!(!broker.is_closed(ann));
    assert_eq!(broker.refusal(ben), Some(NotAuthorized));
    assert_eq!(broker.refusal_of(&login("ben", "ben")), ReasonCode::BadUserNameOrPassword);
}

/// CVE-2017-7650: a name with a wildcard in it, put into a rule.
#[test]
fn names_that_are_more_than_names_do_not_come_in_where_rules_have_them() {
    let mut broker = broker("pattern readwrite of/%c/#\n");
    for client_id in ["+", "#", "a/b"] {
        let connect = Connect { client_id: Text::new(client_id).unwrap(), ..login("ann", "ann") };
        assert_eq!(broker.refusal_of(&connect), NotAuthorized, "{client_id}");
    }
    let ann = broker.log_in("ann");
    assert_eq!(broker.publish_1(ann, "of/ann/lamp", "on"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(broker.publish_1(ann, "of/ben/lamp", "on"), NotAuthorized);
}

fn film() -> Access {
    let mut rooms = Rooms::default();
    rooms.insert("film", Room { operators: vec!["ann".into()], ..Room::default() }).unwrap();
    let rules = Rules { rooms, ..Rules::default() };
    let users = Some(USERS.clone());
    Access { users, allow_anonymous: true, rules: rules.into(), ..Access::default() }
}

#[test]
fn a_room_is_entered_with_its_password_and_led_by_its_operators() {
    let mut broker = Broker::with(Limits::default(), film());
    for (user, password) in [("ann@film", "@film"), ("guest@film", "ann"), ("@film", "@film")] {
        let reason = broker.refusal_of(&login(user, password));
        assert_eq!(reason, ReasonCode::BadUserNameOrPassword, "{user}");
    }
    let enter = |broker: &mut Broker, user, password| {
        let (client, packet) = broker.try_log_in(&login(user, password));
        assert!(matches!(packet, Packet::ConnAck(ack) if ack.reason == Success));
        broker.subscribe(client, "playsync/1/film/#", AtLeastOnce);
        client
    };
    let guest = enter(&mut broker, "guest@film", "@film");
    let ann = enter(&mut broker, "ann@film", "ann");
    let timeline = "playsync/1/film/timeline";
    assert_eq!(broker.publish_1(guest, timeline, "mine"), NotAuthorized);
    broker.publish(ann, timeline, "ours");
    assert_eq!(broker.messages(guest), ["ours"]);
    let stranger = broker.connect("stranger");
    broker.subscribe(stranger, "#", AtMostOnce);
    broker.publish(ann, timeline, "again");
    assert_eq!(broker.messages(stranger), [""; 0]);
}
