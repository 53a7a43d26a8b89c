//! The room clock: a request published to `$clock/now` is answered with the broker's time.
//!
//! The clock begins at wall time when the broker starts and never steps. Its name changes
//! with each start, so that nobody compares times of two runs. Seconds since the Unix epoch
//! as a double still tell a quarter of a microsecond apart.

use mqtt_protocol::{PublishProperties, QoS, ReasonCode};

use super::Core;
use super::message::MessageView;
use super::session::SessionId;
use super::time::Instant;

/// Where requests are published.
pub(super) const TOPIC: &str = "$clock/now";

impl Core {
    /// Answers the client, and nobody else, at its Response Topic, with its Correlation Data.
    ///
    /// Both stamps are the moment the request was read: what the answer waits for in queues
    /// is then part of the round trip, and a filter on round trips sees it.
    pub(super) fn answer_clock_request(
        &mut self,
        from: SessionId,
        request: &MessageView<'_>,
        now: Instant,
    ) -> ReasonCode {
        let Some(response_topic) = request.properties.response_topic else {
            return ReasonCode::ImplementationSpecificError;
        };
        let seconds = self.config.wall_clock.at(now).as_secs_f64();
        let payload = format!(
            r#"{{"clock":"{}","received":{seconds:.6},"sent":{seconds:.6}}}"#,
            self.config.run_id
        );
        let properties = PublishProperties {
            payload_format_indicator: Some(true),
            correlation_data: request.properties.correlation_data,
            ..PublishProperties::default()
        };
        let answer = MessageView {
            topic: response_topic,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: &properties,
            payload: payload.as_bytes(),
            frame: None,
        };
        self.deliver_to(from, &answer, now);
        ReasonCode::Success
    }
}
