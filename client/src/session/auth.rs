//! Enhanced authentication: SCRAM-SHA-256 on the way in, and again on an open connection.
//!
//! ```text
//!  Idle ──CONNECT, AUTH 0x19──► Begun ──AUTH 0x18──► Salting ──salted──► Proved ──┐
//!    ▲                            └──salted before with the same salt──────►│     │
//!    └──────────────────────────────────CONNACK 0x00, AUTH 0x00──────────────────-┘
//! ```
//!
//! To salt a password takes long, so the shell does it, without holding up the program.

use mqtt_protocol::{Auth, AuthProperties, ConnAck, DecodeError, Disconnect, Text};
use scram::{Challenge, Client, Password, SaltedPassword, ServerProof};

use super::connection::CLOSE_TIME;
use super::*;

/// What the client knows of its own authentication.
#[derive(Debug)]
pub(crate) struct Authentication {
    user_name: OwnedText,
    password: Password,
    /// Random bytes that nobody else knows; nonces are made of them.
    secret: [u8; 32],
    nonces: u64,
    stage: Stage,
    /// The password as it was salted last: servers ask for the same salt each time.
    salted: Option<SaltedPassword>,
    /// The program's wish to authenticate again, while it is under way.
    wish: Option<Report>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// The server is to challenge.
    Begun(Client),
    /// The password is to be salted.
    Salting(Challenge),
    /// The server is to prove that it knows the password, too.
    Proved(ServerProof),
}

/// A password to be salted, and how.
#[derive(Debug)]
pub(crate) struct Salting {
    password: Password,
    salt: Vec<u8>,
    iterations: u32,
}

impl Salting {
    /// Salts the password, which takes long.
    pub(crate) fn salt(self) -> Result<SaltedPassword, scram::Error> {
        self.password.salted(&self.salt, self.iterations)
    }
}

impl Authentication {
    /// Authentication as the user of the options. `secret` are random bytes that nobody else knows.
    ///
    /// # Errors
    /// There is no name or no password, or they have characters they must not have.
    pub(crate) fn new(options: &Options, secret: [u8; 32]) -> Result<Self, Error> {
        let argument = |error: scram::Error| Error::new(ErrorKind::Argument, error.to_string());
        let user_name = options.user_name.clone();
        let password = options.password.as_deref().map(str::from_utf8);
        let (Some(user_name), Some(Ok(password))) = (user_name, password) else {
            let message = "SCRAM needs a user name, and a password that is text";
            return Err(Error::new(ErrorKind::Argument, message));
        };
        scram::prepare(user_name.as_str()).map_err(argument)?;
        let password = Password::new(password).map_err(argument)?;
        let (stage, salted, wish) = (Stage::Idle, None, None);
        Ok(Self { user_name, password, secret, nonces: 0, stage, salted, wish })
    }

    /// Begins an exchange and gives its first message.
    fn begin(&mut self) -> Result<String, scram::Error> {
        self.nonces += 1;
        let nonce = scram::nonce(&self.secret, self.nonces);
        let (client, message) = Client::begin(self.user_name.as_str(), &nonce)?;
        self.stage = Stage::Begun(client);
        Ok(message)
    }

    /// Takes the challenge. Gives the answer, unless the password is to be salted first.
    fn meet(&mut self, client: Client, data: &[u8]) -> Result<Option<String>, scram::Error> {
        let challenge = client.read_server_first(data)?;
        let is_known =
            |salted: &&SaltedPassword| salted.is_of(challenge.salt(), challenge.iterations());
        let Some(salted) = self.salted.as_ref().filter(is_known) else {
            self.stage = Stage::Salting(challenge);
            return Ok(None);
        };
        let (proof, answer) = challenge.answer(salted);
        self.stage = Stage::Proved(proof);
        Ok(Some(answer))
    }

    /// Takes the server's proof, the end of the exchange.
    fn finish(&mut self, data: Option<Binary<'_>>) -> Result<(), scram::Error> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Proved(proof) => proof.read_server_final(&data.unwrap_or_default()),
            // The server has not even tried.
            _ => Err(scram::Error::Proof),
        }
    }
}

/// The method, as packets name it. [MQTT-4.12.0-5]
fn method() -> Option<Text<'static>> {
    Text::new(scram::NAME).ok()
}

impl Session {
    /// Has the session authenticate itself on each connection.
    pub(crate) fn set_authentication(&mut self, authentication: Option<Authentication>) {
        self.authentication = authentication;
    }

    /// Begins to authenticate, with CONNECT. Gives the method and the data for it.
    pub(super) fn begin_authentication(&mut self) -> Option<String> {
        // What can be wrong with name and password was found out before.
        self.authentication.as_mut()?.begin().ok()
    }

    /// Authenticates again on the open connection. With `is_reported` exactly one
    /// [`Event::AuthenticationDone`] follows; without, only if it fails.
    ///
    /// # Errors
    /// There is no connection, none that has begun with SCRAM, or it is under way already.
    pub(crate) fn reauthenticate(&mut self, is_reported: bool) -> Result<Op, Error> {
        let is_connected = matches!(self.phase, Phase::Connected);
        let op = self.next_op();
        if self.own_authentication.is_some() {
            let report = if is_reported { Report::Always(op) } else { Report::Failure };
            return self.reauthenticate_by_program(report).map(|()| op);
        }
        let authentication = self
            .authentication
            .as_mut()
            .filter(|it| is_connected && it.wish.is_none() && matches!(it.stage, Stage::Idle));
        let Some(authentication) = authentication else {
            let message = "there is no connection that could be authenticated again now";
            return Err(Error::new(ErrorKind::State, message));
        };
        let begun = authentication.begin();
        let data = begun.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        authentication.wish = Some(if is_reported { Report::Always(op) } else { Report::Failure });
        // The method is that of CONNECT. [MQTT-4.12.1-1]
        self.send_auth(ReasonCode::ReAuthenticate, &data);
        Ok(op)
    }

    /// Sends a step. [MQTT-4.12.0-3] [MQTT-4.12.0-5]
    fn send_auth(&mut self, reason: ReasonCode, data: &str) {
        let properties = AuthProperties {
            authentication_method: method(),
            authentication_data: Binary::new(data.as_bytes()).ok(),
            ..AuthProperties::default()
        };
        self.send(Packet::Auth(Auth { reason, properties }));
    }

    /// Takes a step of the server's.
    pub(super) fn handle_auth(&mut self, auth: &Auth<'_>, now: Moment) -> Result<(), DecodeError> {
        if self.own_authentication.is_some() {
            return self.handle_own_auth(auth);
        }
        let is_greeting = matches!(self.phase, Phase::Greeting { .. });
        let Some(authentication) = &mut self.authentication else {
            // Nor does this end send any. [MQTT-4.12.0-7]
            return Err(violation("AUTH without an authentication method"));
        };
        // [MQTT-4.12.0-5]
        if auth.properties.authentication_method != method() {
            return Err(violation("an authentication method that is not ours"));
        }
        let data = auth.properties.authentication_data;
        let stage = std::mem::replace(&mut authentication.stage, Stage::Idle);
        let result = match (auth.reason, stage) {
            (ReasonCode::ContinueAuthentication, Stage::Begun(client)) => {
                authentication.meet(client, &data.unwrap_or_default())
            }
            (ReasonCode::Success, Stage::Proved(proof)) if !is_greeting => {
                proof.read_server_final(&data.unwrap_or_default()).map(|()| None)
            }
            // [MQTT-3.15.2-1]
            _ => return Err(violation("a step of authentication that is not due")),
        };
        match result {
            Ok(Some(answer)) => self.send_auth(ReasonCode::ContinueAuthentication, &answer),
            Ok(None) if auth.reason == ReasonCode::Success => self.tell_authentication(Ok(())),
            Ok(None) => {}
            Err(error) => self.fail_authentication(error, now),
        }
        Ok(())
    }

    /// Whether a password is to be salted.
    pub(crate) fn is_salting(&self) -> bool {
        self.authentication.as_ref().is_some_and(|it| matches!(it.stage, Stage::Salting(_)))
    }

    /// The password to be salted, if there is one, for
    /// [`handle_salted`](Self::handle_salted).
    pub(crate) fn take_salting(&mut self) -> Option<Salting> {
        let authentication = self.authentication.as_mut()?;
        let Stage::Salting(challenge) = &authentication.stage else { return None };
        let password = authentication.password.clone();
        let (salt, iterations) = (challenge.salt().to_vec(), challenge.iterations());
        Some(Salting { password, salt, iterations })
    }

    /// The password was salted.
    pub(crate) fn handle_salted(&mut self, salted: SaltedPassword) {
        let Some(authentication) = &mut self.authentication else { return };
        match std::mem::replace(&mut authentication.stage, Stage::Idle) {
            Stage::Salting(challenge) if salted.is_of(challenge.salt(), challenge.iterations()) => {
                let (proof, answer) = challenge.answer(&salted);
                authentication.stage = Stage::Proved(proof);
                authentication.salted = Some(salted);
                self.send_auth(ReasonCode::ContinueAuthentication, &answer);
            }
            // The connection it was for is gone.
            other => authentication.stage = other,
        }
    }

    /// Looks whether a CONNACK that accepts is from a server that may. Tells whether it is.
    pub(super) fn trusts(
        &mut self,
        connack: &ConnAck<'_>,
        now: Moment,
    ) -> Result<bool, DecodeError> {
        if self.own_authentication.is_some() {
            return self.trusts_own(connack);
        }
        let properties = &connack.properties;
        let Some(authentication) = &mut self.authentication else {
            // No method was given, so there is nothing to authenticate with.
            return match properties.authentication_method {
                Some(_) => Err(violation("an authentication method that was not asked for")),
                None => Ok(true),
            };
        };
        // [MQTT-4.12.0-5]
        if properties.authentication_method != method() {
            return Err(violation("an authentication method that is not ours"));
        }
        if let Err(error) = authentication.finish(properties.authentication_data) {
            self.fail_authentication(error, now);
            return Ok(false);
        }
        Ok(true)
    }

    /// Leaves a server that is not what it says. The next attempt would end in the same way.
    /// [MQTT-4.12.1-2]
    fn fail_authentication(&mut self, error: scram::Error, now: Moment) {
        let was_connected = self.is_connected();
        self.send(Packet::Disconnect(Disconnect::new(ReasonCode::UnspecifiedError)));
        let message = format!("the server has not proved that it knows the password: {error}");
        let error = Error::new(ErrorKind::Authentication, message);
        let ending = Ending { is_final: true, ..Ending::lost(was_connected, error) };
        self.phase = Phase::Closing { deadline: now + CLOSE_TIME, ending };
    }

    /// The connection is gone, and with it what was under way.
    pub(super) fn end_authentication(&mut self, error: &Error) {
        if let Some(authentication) = &mut self.authentication {
            authentication.stage = Stage::Idle;
        }
        self.tell_authentication(Err(error.clone()));
        self.end_own_authentication(Err(error.clone()));
    }

    /// Tells the program what has become of its wish, if it had one.
    fn tell_authentication(&mut self, result: Result<(), Error>) {
        let wish = self.authentication.as_mut().and_then(|it| it.wish.take());
        match (wish, &result) {
            (None, _) | (Some(Report::Failure), Ok(())) => {}
            (Some(report), _) => {
                let op = if let Report::Always(op) = report { Some(op) } else { None };
                self.events.push(Event::AuthenticationDone { op, result });
            }
        }
    }

    /// Whether the operation is an authentication that is under way.
    pub(super) fn is_authenticating(&self, op: Op) -> bool {
        let is_own = self.own_authentication.as_ref().is_some_and(|it| it.is_wished_as(op));
        is_own || self.authentication.as_ref().is_some_and(|it| it.wish == Some(Report::Always(op)))
    }
}
