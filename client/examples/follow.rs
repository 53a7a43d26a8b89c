//! Prints what is published: `follow URL FILTER`.

use mqtt_client::protocol::{QoS, TopicFilter};
use mqtt_client::{Client, Event, Options, Subscribe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, filter] = arguments.as_slice() else {
        return Err("usage: follow URL FILTER".into());
    };
    let client = Client::new(Options::new(url)?)?;
    client.subscribe(&Subscribe::new(TopicFilter::new(filter)?, QoS::AtLeastOnce), false)?;

    while let Some(event) = client.next_event(None) {
        match event {
            Event::Connected { .. } => eprintln!("connected"),
            Event::Message { message, .. } => {
                let payload = String::from_utf8_lossy(message.payload());
                println!("{} {payload}", message.topic());
            }
            Event::Stopped { error: Some(error) } => return Err(error.into()),
            other => {
                if let Some(error) = other.error() {
                    eprintln!("{error}");
                }
            }
        }
    }
    Ok(())
}
