//! What was published, what was delivered, and whether that is as it was promised.

use std::collections::HashMap;

use mqtt_protocol::*;

/// Where wills are published.
pub const WILL_TOPIC: &str = "wills/x";

/// A message, recognised by its publisher and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub publisher: &'static str,
    /// Counts the publisher's messages.
    pub number: usize,
    pub topic: &'static str,
    pub qos: QoS,
}

impl Message {
    /// Some are so long that an outbox is soon full.
    pub fn payload(&self) -> String {
        let length = if self.number.is_multiple_of(4) { 15_000 } else { 0 };
        format!("{} {} {} {:length$}", self.publisher, self.number, self.qos, "")
    }

    pub fn publish<'a>(&self, delivery: Delivery, payload: &'a str) -> Packet<'a> {
        let topic = TopicName::new(self.topic).unwrap();
        Publish { delivery, ..Publish::at_most_once(topic, payload.as_bytes()) }.into()
    }
}

/// A subscription of a client whose session lasts.
pub struct Promise {
    pub client: &'static str,
    pub filter: &'static str,
    pub qos: QoS,
}

#[derive(Default)]
pub struct Judge {
    promises: Vec<Promise>,
    /// Messages that have to be delivered.
    owed: Vec<Message>,
    /// The numbers, in the order they came.
    delivered: HashMap<Stream, Vec<usize>>,
    /// Whether the broker was gone without a word.
    has_crashed: bool,
}

/// Messages that come in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stream {
    receiver: &'static str,
    /// Whether they are for the subscription that the receiver shares with others.
    is_shared: bool,
    publisher: String,
    topic: String,
    published_qos: u8,
    delivered_qos: u8,
}

impl Stream {
    /// A repeat of a shared message may go to another member, after newer ones. So may a repeat to
    /// a receiver at QoS 0 that missed the original. Of two connections the older one's CONNECT may
    /// arrive last, and so may its will.
    fn is_ordered(&self) -> bool {
        let is_lossy = self.published_qos == 1 && self.delivered_qos == 0;
        !self.is_shared && !is_lossy && self.topic != WILL_TOPIC
    }

    /// Whether there may be repeats: where QoS 1 was used on either half of the way.
    fn may_repeat(&self) -> bool {
        self.published_qos == 1 || self.delivered_qos == 1
    }

    /// Whether it is for a client whose session lasts.
    fn is_promised(&self, promises: &[Promise]) -> bool {
        promises.iter().any(|promise| promise.client == self.receiver)
    }
}

impl Judge {
    pub fn promise(&mut self, promise: Promise) {
        self.promises.push(promise);
    }

    pub fn crashed(&mut self) {
        self.has_crashed = true;
    }

    pub fn owe(&mut self, message: Message) {
        self.owed.push(message);
    }

    pub fn delivered(&mut self, receiver: &'static str, publish: &Publish<'_>) {
        let PublishTopic::Name(topic) = publish.topic else { panic!("an alias") };
        let payload = str::from_utf8(publish.payload).unwrap();
        let [publisher, number, qos, _] =
            payload.splitn(4, ' ').collect::<Vec<_>>().try_into().expect("it is one of ours");
        let stream = Stream {
            receiver,
            is_shared: !publish.subscription_identifiers.is_empty(),
            publisher: publisher.into(),
            topic: topic.to_string(),
            published_qos: qos.parse().unwrap(),
            delivered_qos: publish.delivery.qos() as u8,
        };
        self.delivered.entry(stream).or_default().push(number.parse().unwrap());
    }

    /// Everything is delivered that will be: was it as promised?
    pub fn decide(&self) {
        for (stream, numbers) in self.delivered.iter().filter(|(stream, _)| stream.is_ordered()) {
            // What is sent again to a broker that has forgotten it may be new to clients of which
            // nothing is kept, and come again to those that are not promised to get it once.
            if !self.has_crashed || stream.is_promised(&self.promises) {
                let may_repeat = self.has_crashed && stream.delivered_qos < 2;
                check_order(stream, numbers, may_repeat || stream.may_repeat());
            }
        }
        for message in &self.owed {
            for client in self.promises.iter().map(|promise| promise.client) {
                self.check_client(client, message);
            }
            self.check_group(message);
        }
    }

    /// Whether all has come that is owed to each client.
    pub fn is_satisfied(&self) -> bool {
        self.owed.iter().all(|message| {
            self.promises
                .iter()
                .filter(|it| !it.is_shared() && it.is_for(message))
                .all(|promise| self.count(message, |stream| stream.receiver == promise.client) > 0)
        })
    }

    fn check_client(&self, client: &'static str, message: &Message) {
        let of_client = self.promises.iter().filter(|it| it.client == client && !it.is_shared());
        let Some(granted) = of_client.filter(|it| it.is_for(message)).map(|it| it.qos).max() else {
            return;
        };
        let count = self.count(message, |stream| stream.receiver == client && !stream.is_shared);
        check_count(client, message, granted.min(message.qos), count);
    }

    /// A message for a group of clients is delivered as if they were one.
    fn check_group(&self, message: &Message) {
        let Some(promise) = self.promises.iter().find(|it| it.is_shared() && it.is_for(message))
        else {
            return;
        };
        let count = self.count(message, |stream| stream.is_shared);
        check_count("the group", message, promise.qos.min(message.qos), count);
    }

    fn count(&self, message: &Message, is_of: impl Fn(&Stream) -> bool) -> usize {
        let streams = self.delivered.iter().filter(|(stream, _)| {
            is_of(stream) && stream.publisher == message.publisher && stream.topic == message.topic
        });
        let numbers = streams.flat_map(|(_, numbers)| numbers);
        numbers.filter(|number| **number == message.number).count()
    }
}

impl Promise {
    fn filter(&self) -> TopicFilter<'static> {
        TopicFilter::new(self.filter).unwrap()
    }

    fn is_for(&self, message: &Message) -> bool {
        self.filter().matches(TopicName::new(message.topic).unwrap())
    }

    fn is_shared(&self) -> bool {
        self.filter().share_name().is_some()
    }
}

/// What is new comes in order.
fn check_order(stream: &Stream, numbers: &[usize], may_repeat: bool) {
    let mut latest = None;
    for (index, &number) in numbers.iter().enumerate() {
        let is_new = latest.is_none_or(|latest| number > latest);
        let is_repeat = numbers[..index].contains(&number);
        assert!(is_new || is_repeat && may_repeat, "{stream:?}: {numbers:?}");
        latest = latest.max(Some(number));
    }
}

/// How often a message of QoS 1 or 2 has come.
fn check_count(receiver: &str, message: &Message, qos: QoS, count: usize) {
    let is_right = match qos {
        QoS::AtMostOnce => true,
        QoS::AtLeastOnce => count >= 1,
        QoS::ExactlyOnce => count == 1,
    };
    assert!(is_right, "{receiver} got {message:?} {count} times at QoS {qos}");
}
