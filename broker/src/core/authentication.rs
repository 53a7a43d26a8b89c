//! Who a client is: nobody in particular, somebody who knows a password, or who proves it with
//! enhanced authentication; and the latter again on an open connection.
//!
//! ```text
//!  a certificate, CONNECT ────────────────────────────────────────► welcome
//!  CONNECT ──no name──────────────────────────────────────────────► welcome
//!     ├─────name and password──► Checking ──right──────────────────► welcome
//!     │                              └─────wrong──► refused
//!     └─────method──► Authenticating ──AUTH, the proof is right────► welcome
//!                          └───────────AUTH, it is wrong──► refused
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use mqtt_protocol::{
    Auth, AuthProperties, Binary, Connect, DecodeError, Decoded, Packet, ReasonCode, Text,
    decode_as,
};
use scram::{ClientProof, read_client_first};

use super::connection::{Connection, State};
use super::logins::Proof;
use super::time::Instant;
use super::{ConnectionId, Core, Output, protocol_error};
use crate::access::{Administrators, Rules};
use crate::users::{PasswordCheck, Users};

/// Who may connect, and do what.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who can prove to be somebody; without users, nobody can.
    pub users: Option<Arc<Users>>,
    /// Whether clients may connect that do not say who they are.
    pub allow_anonymous: bool,
    /// What who is connected may do.
    pub rules: Arc<Rules>,
    /// Random bytes that nobody else knows; nonces are made of them.
    pub secret: NonceSecret,
}

impl Default for Access {
    /// Everybody, and everything.
    fn default() -> Self {
        let rules = Rules { administrators: Administrators::Everybody, ..Rules::default() };
        Self {
            users: None,
            allow_anonymous: true,
            rules: Arc::new(rules),
            secret: NonceSecret::default(),
        }
    }
}

impl Access {
    /// Whether who was let in by the former rules would be again: with the same password, or as
    /// nobody.
    pub(super) fn still_admits(&self, user: Option<&str>, former: &Self) -> bool {
        let Some(user) = user else { return self.allow_anonymous };
        let line =
            |access: &Self| access.users.as_ref()?.user(&access.rules.account(user)).cloned();
        let known = line(self);
        known.is_some() && known == line(former)
    }
}

/// Random bytes that nobody else knows.
#[derive(Clone, Default)]
pub struct NonceSecret(pub [u8; 32]);

impl fmt::Debug for NonceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSecret(..)")
    }
}

/// The proof of who a client is, under way.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Who it says that it is.
    user: Arc<str>,
    /// The CONNECT that waits for the end; none on an open connection.
    connect: Option<Vec<u8>>,
    /// By which users it is judged.
    version: u64,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The password waits to be checked.
    Queued(PasswordCheck, Proof),
    /// The shell checks the password.
    Checking(Proof),
    /// The client is to answer a challenge.
    Challenged(ClientProof),
}

/// Passwords that wait to be checked; a check costs too much for many to run at once.
#[derive(Debug, Default)]
pub(super) struct Checks {
    waiting: VecDeque<ConnectionId>,
    running: usize,
}

/// What a client has proved on its way in.
#[derive(Debug, Default)]
pub(super) struct Proved<'a> {
    pub(super) user: Option<Arc<str>>,
    /// The end of an enhanced authentication, for CONNACK.
    pub(super) data: Option<Binary<'a>>,
}

impl Core {
    /// Lets a client in, asks it for proof, or refuses it.
    pub(super) fn authenticate(&mut self, from: ConnectionId, connect: &Connect<'_>, now: Instant) {
        if self.connections.get(from.index()).is_some_and(|connection| connection.is_certified) {
            return self.welcome_certified(from, connect, now);
        }
        let access = &self.config.access;
        let says_who = connect.user_name.is_some() || connect.password.is_some();
        let Some(users) = access.users.clone() else {
            // Nobody is known, so no method is offered. [MQTT-4.12.0-1]
            return match connect.properties.authentication_method {
                Some(_) => self.refuse(from, ReasonCode::BadAuthenticationMethod),
                None if access.allow_anonymous => {
                    self.welcome(from, connect, Proved::default(), now);
                }
                None => self.refuse(from, ReasonCode::NotAuthorized),
            };
        };
        match connect.properties.authentication_method {
            Some(method) if method.as_str() == scram::NAME => {
                let data = connect.properties.authentication_data;
                if let Some(connection) = self.connection(from) {
                    connection.state = State::Authenticating;
                    connection.method = Some(scram::NAME);
                }
                self.challenge(from, &users, data, Some(connect), now);
            }
            // [MQTT-4.12.0-1]
            Some(_) => self.refuse(from, ReasonCode::BadAuthenticationMethod),
            None if says_who => self.queue_check(from, &users, connect, now),
            None if access.allow_anonymous => self.welcome(from, connect, Proved::default(), now),
            None => self.refuse(from, ReasonCode::NotAuthorized),
        }
    }

    /// A certificate has proved who a client is, before its first packet.
    pub fn certify(&mut self, id: ConnectionId, user: Arc<str>) {
        if let Some(connection) = self.connection(id) {
            connection.user = Some(user);
            connection.is_certified = true;
        }
    }

    /// Lets in who a certificate is for, unless the client says that it is somebody else. There is
    /// nothing left to prove, so no method is offered. [MQTT-4.12.0-1]
    fn welcome_certified(&mut self, from: ConnectionId, connect: &Connect<'_>, now: Instant) {
        let user = self.connection(from).and_then(|connection| connection.user.clone());
        let says_other =
            connect.user_name.is_some_and(|name| Some(name.as_str()) != user.as_deref());
        if connect.properties.authentication_method.is_some() {
            self.refuse(from, ReasonCode::BadAuthenticationMethod);
        } else if says_other {
            self.refuse(from, ReasonCode::BadUserNameOrPassword);
        } else {
            self.welcome(from, connect, Proved { user, data: None }, now);
        }
    }

    /// Asks the client for proof that it is who it says. [MQTT-4.12.0-2]
    fn challenge(
        &mut self,
        from: ConnectionId,
        users: &Users,
        data: Option<Binary<'_>>,
        connect: Option<&Connect<'_>>,
        now: Instant,
    ) {
        let Ok(opening) = read_client_first(&data.unwrap_or_default()) else {
            return self.reject(from, now);
        };
        let user: Arc<str> = opening.user_name().into();
        if !self.may_try(from, &user, now) {
            return self.send_away(from, now);
        }
        let keys = users.keys(&self.config.access.rules.account(&user));
        let Ok((proof, challenge)) = opening.challenge(keys, &self.nonce()) else {
            return self.reject(from, now);
        };
        let connect = connect.map(without_secrets);
        let version = self.access_version;
        if let Some(connection) = self.connection(from) {
            let step = Step::Challenged(proof);
            connection.exchange = Some(Box::new(Exchange { user, connect, version, step }));
        }
        self.send_auth(from, ReasonCode::ContinueAuthentication, &challenge);
    }

    /// A number in letters that nobody can guess and that does not come twice.
    fn nonce(&mut self) -> String {
        self.nonces += 1;
        scram::nonce(&self.config.access.secret.0, self.nonces)
    }

    /// Sends a step of the exchange, with the connection's method. [MQTT-4.12.0-5]
    fn send_auth(&mut self, to: ConnectionId, reason: ReasonCode, data: &str) {
        let Some(connection) = self.connection(to) else { return };
        let properties = AuthProperties {
            authentication_method: connection.method.and_then(|name| Text::new(name).ok()),
            authentication_data: Binary::new(data.as_bytes()).ok(),
            ..AuthProperties::default()
        };
        self.answer(to, &Packet::Auth(Auth { reason, properties }));
    }

    /// Takes a packet of a client whose CONNECT is not answered yet: nothing but AUTH and
    /// DISCONNECT is due.
    pub(super) fn handle_before_connack(
        &mut self,
        from: ConnectionId,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        match packet {
            Packet::Auth(auth) => self.handle_auth(from, auth, now),
            Packet::Disconnect(_) => {
                self.close(from);
                Ok(())
            }
            _ => Err(protocol_error("a packet before the authentication is over")),
        }
    }

    /// Takes a step of the client's: an answer, or the beginning on an open connection. All of
    /// them have the method of CONNECT, without which there are none.
    pub(super) fn handle_auth(
        &mut self,
        from: ConnectionId,
        auth: &Auth<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        let Some(connection) = self.connection(from) else { return Ok(()) };
        if connection.method.is_none() {
            return Err(protocol_error("AUTH without enhanced authentication"));
        }
        // [MQTT-4.12.0-5]
        if auth.properties.authentication_method.map(Text::as_str) != connection.method {
            return Err(protocol_error("an authentication method that is not the connection's"));
        }
        let data = auth.properties.authentication_data;
        match (auth.reason, connection.exchange.take()) {
            (ReasonCode::ContinueAuthentication, Some(exchange)) => {
                self.judge(from, *exchange, data.unwrap_or_default(), now);
            }
            (ReasonCode::ReAuthenticate, None) => {
                if let Some(users) = self.config.access.users.clone() {
                    self.challenge(from, &users, data, None, now);
                }
            }
            _ => return Err(protocol_error("a step of authentication that is not due")),
        }
        Ok(())
    }

    /// Looks at a client's proof, and answers with the broker's.
    fn judge(&mut self, from: ConnectionId, exchange: Exchange, data: Binary<'_>, now: Instant) {
        let Step::Challenged(proof) = exchange.step else { return };
        if exchange.version != self.access_version {
            return self.send_back(from, now);
        }
        // There may have been others since it was challenged.
        if !self.may_try(from, &exchange.user, now) {
            return self.send_away(from, now);
        }
        let answer = proof.read_client_final(&data);
        self.note_try(from, &exchange.user, answer.is_ok(), now);
        let Ok(answer) = answer else { return self.reject(from, now) };
        let Some(connect) = exchange.connect else {
            return self.confirm(from, &exchange.user, &answer, now);
        };
        let data = Binary::new(answer.as_bytes()).ok();
        self.resume_connect(from, &connect, Proved { user: Some(exchange.user), data }, now);
    }

    /// Confirms that the client of an open connection is still who it was. Who is on a connection
    /// does not change, for what was allowed to one may not be allowed to another.
    fn confirm(&mut self, from: ConnectionId, user: &str, answer: &str, now: Instant) {
        let is_same = self.connection(from).is_some_and(|it| it.user.as_deref() == Some(user));
        if is_same {
            self.send_auth(from, ReasonCode::Success, answer);
        } else {
            self.reject(from, now);
        }
    }

    /// Goes on with the CONNECT that has waited.
    fn resume_connect(
        &mut self,
        from: ConnectionId,
        connect: &[u8],
        proved: Proved<'_>,
        now: Instant,
    ) {
        let Some(connection) = self.connection(from) else { return };
        let decoded = decode_as(connection.version, connect, usize::MAX);
        if let Ok(Decoded::Packet { packet: Packet::Connect(connect), .. }) = decoded {
            self.welcome(from, &connect, proved, now);
        }
    }

    /// Ends a connection whose client is not who it says, or cannot show it. [MQTT-4.12.0-4]
    /// [MQTT-4.12.1-2]
    fn reject(&mut self, id: ConnectionId, now: Instant) {
        if self.state(id).is_some_and(State::is_before_connack) {
            self.refuse(id, ReasonCode::BadUserNameOrPassword);
        } else {
            self.disconnect(id, ReasonCode::NotAuthorized, "the authentication has failed", now);
        }
    }

    /// Ends a connection whose client, or others at its place, have tried too many passwords.
    fn send_away(&mut self, id: ConnectionId, now: Instant) {
        if self.state(id).is_some_and(State::is_before_connack) {
            self.refuse(id, ReasonCode::ConnectionRateExceeded);
        } else {
            self.disconnect(id, ReasonCode::NotAuthorized, "too many wrong passwords", now);
        }
    }

    /// Has a client begin again whose proof is for users of a moment ago.
    fn send_back(&mut self, id: ConnectionId, now: Instant) {
        if self.state(id).is_some_and(State::is_before_connack) {
            self.refuse(id, ReasonCode::ServerBusy);
        } else {
            self.disconnect(id, ReasonCode::ServerBusy, "users are read anew", now);
        }
    }

    /// Has the password checked, in its turn, unless it was not long ago. What the client sends
    /// meanwhile waits.
    fn queue_check(
        &mut self,
        from: ConnectionId,
        users: &Users,
        connect: &Connect<'_>,
        now: Instant,
    ) {
        let said = connect.user_name.map(Text::as_str).zip(connect.password);
        let check = said.and_then(|(user, password)| {
            let check = users.check(&self.config.access.rules.account(user), &password)?;
            Some((user, check, self.proof(user, &password)))
        });
        let Some((user, check, proof)) = check else {
            return self.refuse(from, ReasonCode::BadUserNameOrPassword);
        };
        if self.logins.remembers(&proof, now) {
            let proved = Proved { user: Some(user.into()), data: None };
            return self.welcome(from, connect, proved, now);
        }
        if !self.may_try(from, user, now) {
            return self.send_away(from, now);
        }
        if self.checks.waiting.len() >= self.config.limits.maximum_password_queue {
            return self.refuse(from, ReasonCode::ServerBusy);
        }
        let version = self.access_version;
        if let Some(connection) = self.connection(from) {
            connection.state = State::Checking;
            connection.exchange = Some(Box::new(Exchange {
                user: user.into(),
                connect: Some(without_secrets(connect)),
                version,
                step: Step::Queued(check, proof),
            }));
        }
        self.checks.waiting.push_back(from);
        self.start_checks(now);
    }

    /// Orders as many checks as may run at once. Who has gone meanwhile is passed over, and where too
    /// many passwords have been wrong meanwhile no more are looked at.
    fn start_checks(&mut self, now: Instant) {
        while self.checks.running < self.config.limits.maximum_password_checks {
            let Some(id) = self.checks.waiting.pop_front() else { return };
            let Some((user, check)) = self.connection(id).and_then(Connection::take_check) else {
                continue;
            };
            if self.may_try(id, &user, now) {
                self.checks.running += 1;
                self.outputs.push_back(Output::CheckPassword(id, check));
            } else {
                self.send_away(id, now);
            }
        }
    }

    /// A password was checked; what the client has sent since may be
    /// [received](Self::receive) now.
    pub fn handle_password_checked(&mut self, id: ConnectionId, is_right: bool, now: Instant) {
        self.checks.running = self.checks.running.saturating_sub(1);
        self.finish_check(id, is_right, now);
        self.start_checks(now);
    }

    fn finish_check(&mut self, id: ConnectionId, is_right: bool, now: Instant) {
        if self.state(id) != Some(State::Checking) {
            return;
        }
        let exchange = self.connection(id).and_then(|connection| connection.exchange.take());
        let Some(Exchange { user, connect: Some(connect), version, step }) = exchange.map(|it| *it)
        else {
            return;
        };
        if version != self.access_version {
            return self.send_back(id, now);
        }
        self.note_try(id, &user, is_right, now);
        if is_right {
            if let Step::Checking(proof) = step {
                self.logins.remember(proof, now);
            }
            self.resume_connect(id, &connect, Proved { user: Some(user), data: None }, now);
            self.resume_reading(id);
        } else {
            self.reject(id, now);
        }
    }
}

impl Connection {
    /// The check that is due, while its client waits for it.
    fn take_check(&mut self) -> Option<(Arc<str>, PasswordCheck)> {
        if self.state != State::Checking {
            return None;
        }
        let exchange = self.exchange.take()?;
        let Exchange { user, connect, version, step: Step::Queued(check, proof) } = *exchange
        else {
            return None;
        };
        let step = Step::Checking(proof);
        self.exchange = Some(Box::new(Exchange { user: user.clone(), connect, version, step }));
        Some((user, check))
    }
}

/// A CONNECT to go on with later, without what has proved who it is from.
fn without_secrets(connect: &Connect<'_>) -> Vec<u8> {
    let mut kept = Connect { user_name: None, password: None, ..connect.clone() };
    kept.properties.authentication_data = None;
    let mut bytes = Vec::new();
    // It was read, so it can be written.
    let _ = Packet::Connect(kept).encode_as(connect.version, usize::MAX, &mut bytes);
    bytes
}
