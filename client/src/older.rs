//! What MQTT 3.1 and 3.1.1 have no words for: it is refused, and never silently left out.

use mqtt_protocol::{ReasonCode, RetainHandling, Subscription, Version};

use crate::message::Properties;
use crate::{Draft, Error, ErrorKind, Farewell, Options, Subscribe, Will};

/// Checks options against the version they ask for.
pub(crate) fn check_options(options: &Options) -> Result<(), Error> {
    let version = options.version;
    if version.has_properties() {
        return Ok(());
    }
    check(version, options.session_expiry_secs == 0, "session expiry, only the clean start")?;
    check(version, options.user_properties.is_empty(), "user properties")?;
    let has_name = options.user_name.is_some() || options.password.is_none();
    check(version, has_name, "password without a user name")?;
    check(version, !options.uses_scram, "SCRAM")?;
    check(version, options.authentication_method.is_none(), "authentication method")?;
    let is_named = !options.client_id.as_str().is_empty();
    check(version, is_named || options.clean_start, "session to keep without a client id")?;
    if version == Version::V3_1 {
        check(version, is_named, "client without an id")?;
        check(version, options.clean_start, "way to tell whether a session was kept")?;
    }
    options.will.as_ref().map_or(Ok(()), |will| check_will(version, will))
}

fn check_will(version: Version, will: &Will) -> Result<(), Error> {
    check(version, will.delay_secs == 0, "will delay")?;
    check(version, is_empty(will.message.properties.as_deref()), "message properties")
}

/// Checks a message that is to be published.
pub(crate) fn check_message(version: Version, draft: &Draft<'_>) -> Result<(), Error> {
    if version.has_properties() {
        return Ok(());
    }
    check(version, is_empty(draft.properties), "message properties")
}

/// Checks a request, which needs a Response Topic and Correlation Data.
pub(crate) fn check_request(version: Version) -> Result<(), Error> {
    check(version, false, "requests and responses")
}

/// Checks a wish to receive messages.
pub(crate) fn check_subscribe(version: Version, subscribe: &Subscribe<'_>) -> Result<(), Error> {
    let is_plain = |one: &Subscription<'_>| {
        !one.no_local && !one.retain_as_published && one.retain_handling == RetainHandling::Send
    };
    check(version, subscribe.user_properties.is_empty(), "user properties")?;
    check(version, subscribe.subscriptions.iter().all(is_plain), "subscription options")
}

/// Checks what is said with DISCONNECT.
pub(crate) fn check_farewell(version: Version, farewell: &Farewell) -> Result<(), Error> {
    let says_nothing = farewell.reason == ReasonCode::Success
        && farewell.reason_string.is_none()
        && farewell.session_expiry_secs.is_none()
        && farewell.user_properties.is_empty();
    check(version, says_nothing, "reason to disconnect for, nor properties of it")
}

fn check(version: Version, is_plain: bool, what: &str) -> Result<(), Error> {
    if is_plain || version.has_properties() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, format!("MQTT {version} has no {what}")))
}

fn is_empty(properties: Option<&Properties>) -> bool {
    properties.is_none_or(|properties| *properties == Properties::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, OwnedText};

    fn options(version: Version) -> Options {
        let client_id = OwnedText::new("ann").unwrap();
        Options { version, client_id, ..Options::new("mqtt://server").unwrap() }
    }

    fn text(text: &str) -> OwnedText {
        OwnedText::new(text).unwrap()
    }

    #[test]
    fn plain_options_go_with_every_version() {
        for version in [Version::V3_1, Version::V3_1_1, Version::V5_0] {
            check_options(&options(version)).unwrap();
        }
        check_options(&Options { clean_start: false, ..options(Version::V3_1_1) }).unwrap();
        check_options(&Options { client_id: text(""), ..options(Version::V3_1_1) }).unwrap();
    }

    #[test]
    fn options_of_version_5_are_refused_with_a_sentence() {
        type Change = fn(&mut Options);
        let changes: [(&str, Change); 6] = [
            ("session expiry", |options| options.session_expiry_secs = 1),
            ("user properties", |options| options.user_properties.push((text("a"), text("b")))),
            ("password", |options| options.password = Some(vec![1])),
            ("session to keep", |options| {
                options.client_id = text("");
                options.clean_start = false;
            }),
            ("will delay", |options| {
                let message = Message::new("gone", b"").unwrap();
                options.will = Some(Will { message, delay_secs: 1 });
            }),
            ("message properties", |options| {
                let mut message = Message::new("gone", b"").unwrap();
                message.properties_mut().expiry_secs = Some(1);
                options.will = Some(Will { message, delay_secs: 0 });
            }),
        ];
        for (what, change) in changes {
            let mut changed = options(Version::V3_1_1);
            change(&mut changed);
            let error = check_options(&changed).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(error.message.contains("MQTT 3.1.1 has no"), "{error}");
            assert!(error.message.contains(what), "{error}");
        }
    }

    #[test]
    fn version_3_1_knows_no_session_present() {
        let kept = Options { clean_start: false, ..options(Version::V3_1) };
        assert_eq!(check_options(&kept).unwrap_err().kind, ErrorKind::Unsupported);
        let unnamed = Options { client_id: text(""), ..options(Version::V3_1) };
        assert_eq!(check_options(&unnamed).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
