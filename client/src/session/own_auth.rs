//! Enhanced authentication by the program: the session carries the steps, the program takes them.
//!
//! ```text
//!  connection opens ──► asks ──answer──► CONNECT ──► AUTH 0x18 ──► asks ──answer──► AUTH 0x18 ...
//!  reauthenticate ────► asks ──answer──► AUTH 0x19 ─┘                            CONNACK, AUTH 0x00
//! ```

use mqtt_protocol::{Auth, AuthProperties, ConnAck, DecodeError, Disconnect, Text};

use super::connection::CLOSE_TIME;
use super::*;

/// A method of the program's own.
#[derive(Debug)]
pub(super) struct OwnAuthentication {
    method: OwnedText,
    /// The step that the program is asked for, and what its answer goes into.
    asked: Option<(u64, Answer)>,
    /// The program's wish to authenticate again, while it is under way.
    wish: Option<Report>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Connect,
    ReAuthenticate,
    Continue,
}

impl OwnAuthentication {
    pub(super) fn new(method: OwnedText) -> Self {
        Self { method, asked: None, wish: None }
    }

    pub(super) fn is_wished_as(&self, op: Op) -> bool {
        self.wish == Some(Report::Always(op))
    }

    /// Whether a packet names this method. [MQTT-4.12.0-5]
    fn is_named(&self, method: Option<Text<'_>>) -> bool {
        method.is_some_and(|method| method.as_str() == self.method.as_str())
    }
}

impl Session {
    /// Asks the program for what CONNECT begins the authentication with. Tells whether it was asked.
    pub(super) fn asks_before_connect(&mut self) -> bool {
        self.ask_program(Answer::Connect, None)
    }

    fn ask_program(&mut self, answer: Answer, data: Option<&[u8]>) -> bool {
        if self.own_authentication.is_none() {
            return false;
        }
        let Op(step) = self.next_op();
        if let Some(own) = &mut self.own_authentication {
            own.asked = Some((step, answer));
        }
        let data = data.map(Box::from);
        self.events.push(Event::AuthenticationStep { step: Some(step), data });
        true
    }

    /// Takes the program's answer to a step.
    ///
    /// # Errors
    /// Nobody waits for it.
    pub(crate) fn continue_authentication(&mut self, step: u64, data: &[u8]) -> Result<(), Error> {
        let binary = Binary::new(data)
            .map_err(|too_long| Error::new(ErrorKind::Argument, too_long.to_string()))?;
        let (method, answer) = self.take_step(step)?;
        match answer {
            Answer::Connect => self.send_connect_with(Some((method.as_text(), binary))),
            Answer::ReAuthenticate => {
                // The method is that of CONNECT. [MQTT-4.12.1-1]
                self.send_step(ReasonCode::ReAuthenticate, &method, binary);
            }
            // [MQTT-4.12.0-3]
            Answer::Continue => {
                self.send_step(ReasonCode::ContinueAuthentication, &method, binary);
            }
        }
        Ok(())
    }

    /// The program does not trust the server, or has nothing to say. [MQTT-4.12.1-2]
    ///
    /// # Errors
    /// Nobody waits for it.
    pub(crate) fn fail_own_authentication(&mut self, step: u64, now: Moment) -> Result<(), Error> {
        let (_, answer) = self.take_step(step)?;
        let was_connected = self.is_connected();
        let error = Error::new(ErrorKind::Authentication, "the program ended the authentication");
        let ending = Ending { is_final: true, ..Ending::lost(was_connected, error) };
        if let Answer::Connect = answer {
            self.end(ending, now);
        } else {
            self.send(Packet::Disconnect(Disconnect::new(ReasonCode::UnspecifiedError)));
            self.phase = Phase::Closing { deadline: now + CLOSE_TIME, ending };
        }
        Ok(())
    }

    fn take_step(&mut self, step: u64) -> Result<(OwnedText, Answer), Error> {
        let gone = Error::new(ErrorKind::NotFound, "the step is over, or its connection is gone");
        let own = self.own_authentication.as_mut().ok_or(gone.clone())?;
        match own.asked.take_if(|(asked, _)| *asked == step) {
            Some((_, answer)) => Ok((own.method.clone(), answer)),
            None => Err(gone),
        }
    }

    fn send_step(&mut self, reason: ReasonCode, method: &OwnedText, data: Binary<'_>) {
        let properties = AuthProperties {
            authentication_method: Some(method.as_text()),
            authentication_data: Some(data).filter(|data| !data.as_bytes().is_empty()),
            ..AuthProperties::default()
        };
        self.send(Packet::Auth(Auth { reason, properties }));
    }

    /// Begins to authenticate again.
    pub(super) fn reauthenticate_by_program(&mut self, report: Report) -> Result<(), Error> {
        let is_connected = matches!(self.phase, Phase::Connected);
        let own = self.own_authentication.as_mut();
        let own = own.filter(|own| is_connected && own.wish.is_none() && own.asked.is_none());
        let Some(own) = own else {
            let message = "there is no connection that could be authenticated again now";
            return Err(Error::new(ErrorKind::State, message));
        };
        own.wish = Some(report);
        self.ask_program(Answer::ReAuthenticate, None);
        Ok(())
    }

    /// Takes a step of the server's.
    pub(super) fn handle_own_auth(&mut self, auth: &Auth<'_>) -> Result<(), DecodeError> {
        let is_greeting = matches!(self.phase, Phase::Greeting { .. });
        let Some(own) = &mut self.own_authentication else { return Ok(()) };
        if !own.is_named(auth.properties.authentication_method) {
            return Err(violation("an authentication method that is not ours"));
        }
        let is_due = own.asked.is_none() && (is_greeting || own.wish.is_some());
        let data = auth.properties.authentication_data.map(|data| data.as_bytes().to_vec());
        match auth.reason {
            ReasonCode::ContinueAuthentication if is_due => {
                self.ask_program(Answer::Continue, data.as_deref());
            }
            ReasonCode::Success if is_due && !is_greeting => {
                self.tell_last_data(data.as_deref());
                self.end_own_authentication(Ok(()));
            }
            // [MQTT-3.15.2-1]
            _ => return Err(violation("a step of authentication that is not due")),
        }
        Ok(())
    }

    /// Looks whether a CONNACK names the method that is used.
    pub(super) fn trusts_own(&mut self, connack: &ConnAck<'_>) -> Result<bool, DecodeError> {
        let Some(own) = &self.own_authentication else { return Ok(true) };
        let properties = &connack.properties;
        if !own.is_named(properties.authentication_method) {
            return Err(violation("an authentication method that is not ours"));
        }
        if own.asked.is_some() {
            return Err(violation("a CONNACK while a step of authentication is due"));
        }
        self.tell_last_data(properties.authentication_data.as_ref().map(|data| data.as_bytes()));
        Ok(true)
    }

    fn tell_last_data(&mut self, data: Option<&[u8]>) {
        if let Some(data) = data {
            self.events.push(Event::AuthenticationStep { step: None, data: Some(data.into()) });
        }
    }

    /// What was under way is over.
    pub(super) fn end_own_authentication(&mut self, result: Result<(), Error>) {
        let Some(own) = &mut self.own_authentication else { return };
        own.asked = None;
        match (own.wish.take(), &result) {
            (None, _) | (Some(Report::Failure), Ok(())) => {}
            (Some(report), _) => {
                self.events.push(Event::AuthenticationDone { op: report.op(), result });
            }
        }
    }
}
