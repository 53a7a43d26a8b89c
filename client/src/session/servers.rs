//! Which server is tried: those of the options in turn, or the one that a server has named.

use std::time::Duration;

use mqtt_protocol::ReasonCode;

use crate::{Options, Server};

/// The servers a client may turn to, and where it stands among them.
///
/// After a failed attempt the next server follows at once, and a pause only when none is left. A server
/// that others have named is tried as they said; when it fails, the turn goes on.
#[derive(Debug)]
pub(super) struct Servers {
    /// At least one.
    listed: Vec<Server>,
    current: usize,
    /// Attempts that have failed since the latest pause or connection.
    failures: usize,
    /// Where the next attempt goes in place of `current`.
    named: Option<Server>,
    /// How often the client was sent on without finding a server to stay with.
    hops: u32,
    follows: bool,
}

/// How often a client lets itself be sent on without a pause.
const MAXIMUM_HOPS: u32 = 4;

/// How long a connection has to last for its server to count as one to stay with.
const STAY: Duration = Duration::from_secs(10);

impl Servers {
    pub(super) fn new(options: &Options) -> Self {
        let first = std::iter::once(&options.server);
        Self {
            listed: first.chain(&options.further_servers).cloned().collect(),
            current: 0,
            failures: 0,
            named: None,
            hops: 0,
            follows: options.follows_redirects,
        }
    }

    /// The server that this attempt or connection is for.
    pub(super) fn current(&self) -> Option<&Server> {
        self.named.as_ref().or_else(|| self.listed.get(self.current))
    }

    /// A server has accepted the client.
    pub(super) fn connected(&mut self) {
        self.failures = 0;
    }

    /// A connection has lasted so long.
    pub(super) fn lasted(&mut self, time: Duration) {
        if time >= STAY {
            self.hops = 0;
        }
    }

    /// An attempt has failed: turns to the next server. Tells whether it may be tried at once.
    pub(super) fn turn(&mut self) -> bool {
        let was_named = self.named.take().is_some();
        self.failures += 1;
        if !was_named {
            self.current = (self.current + 1) % self.listed.len();
        }
        let has_more = self.failures < self.listed.len() + usize::from(was_named);
        if !has_more {
            self.failures = 0;
        }
        has_more
    }

    /// A server has named another one. Tells whether the client goes there, and if so whether at once.
    pub(super) fn redirect(&mut self, reason: ReasonCode, reference: &str) -> Option<bool> {
        let named = self.current().filter(|_| self.follows)?.referred(reference)?;
        let has_moved = reason == ReasonCode::ServerMoved;
        match self.listed.get_mut(self.current) {
            // What has moved for good is not asked at its old place again.
            Some(listed) if has_moved => {
                *listed = named;
                self.named = None;
            }
            _ => self.named = Some(named),
        }
        self.hops += 1;
        Some(self.hops <= MAXIMUM_HOPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(urls: &[&str], follows_redirects: bool) -> Servers {
        let further_servers = urls[1..].iter().map(|url| Server::new(url).unwrap()).collect();
        let options = Options::new(urls[0]).unwrap();
        Servers::new(&Options { further_servers, follows_redirects, ..options })
    }

    fn current(servers: &Servers) -> String {
        servers.current().unwrap().to_string()
    }

    #[test]
    fn each_server_has_its_turn_before_a_pause() {
        let mut servers = servers(&["mqtt://a", "mqtt://b", "mqtt://c"], false);
        for (place, follows_at_once) in [
            ("a:1883", true),
            ("b:1883", true),
            ("c:1883", false),
            ("a:1883", true),
            ("b:1883", true),
            ("c:1883", false),
        ] {
            assert_eq!(current(&servers), place);
            assert_eq!(servers.turn(), follows_at_once);
        }
    }

    #[test]
    fn a_server_that_was_found_begins_the_next_turn() {
        let mut servers = servers(&["mqtt://a", "mqtt://b"], false);
        assert!(servers.turn());
        servers.connected();
        assert_eq!(current(&servers), "b:1883");
        assert!(servers.turn());
        assert_eq!(current(&servers), "a:1883");
        assert!(!servers.turn());
    }

    #[test]
    fn only_who_follows_is_sent_on() {
        let mut stays = servers(&["mqtt://a"], false);
        assert_eq!(stays.redirect(ReasonCode::UseAnotherServer, "b"), None);
        let mut follows = servers(&["mqtt://a"], true);
        assert_eq!(follows.redirect(ReasonCode::UseAnotherServer, "b"), Some(true));
        assert_eq!(current(&follows), "b:1883");
        assert_eq!(follows.redirect(ReasonCode::UseAnotherServer, "not a:port"), Some(true));
        assert_eq!(follows.redirect(ReasonCode::UseAnotherServer, ":"), None);
    }

    #[test]
    fn a_server_named_for_now_is_left_when_it_fails() {
        let mut servers = servers(&["mqtt://a"], true);
        servers.redirect(ReasonCode::UseAnotherServer, "b");
        assert!(servers.turn(), "the listed one is tried at once");
        assert_eq!(current(&servers), "a:1883");
        assert!(!servers.turn());
    }

    #[test]
    fn a_server_that_has_moved_is_not_asked_again() {
        let mut servers = servers(&["mqtt://a"], true);
        servers.redirect(ReasonCode::ServerMoved, "b:7");
        servers.turn();
        assert_eq!(current(&servers), "b:7");
    }

    #[test]
    fn servers_that_send_the_client_in_a_circle_make_it_pause() {
        let mut servers = servers(&["mqtt://a"], true);
        let mut send = || servers.redirect(ReasonCode::UseAnotherServer, "a").unwrap();
        assert_eq!([send(), send(), send(), send(), send()], [true, true, true, true, false]);
        servers.lasted(STAY);
        assert_eq!(servers.redirect(ReasonCode::UseAnotherServer, "a"), Some(true));
    }
}
