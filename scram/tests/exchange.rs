//! Whole exchanges, the example of RFC 7677 first, and everything that can be wrong with one.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use scram::{Client, Error, Keys, Opening, Password, SaltedPassword, read_client_first};

const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const SALT: [u8; 16] = [
    0x5B, 0x6D, 0x99, 0x68, 0x9D, 0x12, 0x35, 0x8E, 0xEC, 0xA0, 0x4B, 0x14, 0x12, 0x36, 0xFA, 0x81,
];

fn pencil() -> SaltedPassword {
    Password::new("pencil").unwrap().salted(&SALT, 4096).unwrap()
}

fn opening() -> Opening {
    read_client_first(CLIENT_FIRST.as_bytes()).unwrap()
}

#[test]
fn the_example_of_rfc_7677_comes_out_letter_by_letter() {
    let (client, client_first) = Client::begin("user", CLIENT_NONCE).unwrap();
    assert_eq!(client_first, CLIENT_FIRST);

    let opening = opening();
    assert_eq!(opening.user_name(), "user");
    let (server, server_first) = opening.challenge(Keys::new(&pencil()), SERVER_NONCE).unwrap();
    assert_eq!(server_first, SERVER_FIRST);

    let challenge = client.read_server_first(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!((challenge.salt(), challenge.iterations()), (&SALT[..], 4096));
    let (client, client_final) = challenge.answer(&pencil());
    assert_eq!(client_final, CLIENT_FINAL);

    let server_final = server.read_client_final(CLIENT_FINAL.as_bytes()).unwrap();
    assert_eq!(server_final, SERVER_FINAL);
    client.read_server_final(SERVER_FINAL.as_bytes()).unwrap();
}

/// Goes through an exchange as far as it gets.
fn exchange(user_name: &str, password: &str, keys: Keys) -> Result<(), Error> {
    let (client, message) = Client::begin(user_name, "abc")?;
    let opening = read_client_first(message.as_bytes())?;
    assert_eq!(opening.user_name(), user_name);
    let (server, message) = opening.challenge(keys, "def")?;
    let challenge = client.read_server_first(message.as_bytes())?;
    let salted = Password::new(password)?.salted(challenge.salt(), challenge.iterations())?;
    let (client, message) = challenge.answer(&salted);
    let message = server.read_client_final(message.as_bytes())?;
    client.read_server_final(message.as_bytes())
}

fn keys(password: &str) -> Keys {
    Keys::new(&Password::new(password).unwrap().salted(b"salt", 4096).unwrap())
}

#[test]
fn who_does_not_know_the_password_is_refused() {
    assert_eq!(exchange("ann", "right", keys("right")), Ok(()));
    assert_eq!(exchange("ann", "wrong", keys("right")), Err(Error::Proof));
}

#[test]
fn names_may_have_commas_and_equals_signs() {
    assert_eq!(exchange("a=b,c=2C==,", "x", keys("x")), Ok(()));
    let wrong = read_client_first(b"n,,n=a=2Db,r=x");
    assert_eq!(wrong.unwrap_err(), Error::Message);
}

/// "ü" typed as one character and as two, and a space that does not break.
#[test]
fn a_password_may_be_typed_in_different_ways() {
    assert_eq!(exchange("ann", "gru\u{308}n\u{A0}x", keys("gr\u{FC}n x")), Ok(()));
    for nonsense in ["", "\u{AD}", "bell\u{7}", "\u{E000}"] {
        assert_eq!(Password::new(nonsense).unwrap_err(), Error::Text, "{nonsense:?}");
        assert_eq!(Client::begin(nonsense, "abc").unwrap_err(), Error::Text, "{nonsense:?}");
    }
}

#[test]
fn a_user_there_is_none_of_gets_the_same_challenge_each_time_and_never_in() {
    let decoy = || Keys::decoy("ghost", b"secret", 4096);
    assert_eq!(decoy(), decoy());
    assert_ne!(decoy().salt(), Keys::decoy("other", b"secret", 4096).salt());
    assert_ne!(decoy().salt(), Keys::decoy("ghost", b"another", 4096).salt());
    assert_eq!(exchange("ghost", "any", decoy()), Err(Error::Proof));
}

#[test]
fn a_server_that_does_not_know_the_keys_is_found_out() {
    let proof = || {
        let (client, _) = Client::begin("user", CLIENT_NONCE).unwrap();
        client.read_server_first(SERVER_FIRST.as_bytes()).unwrap().answer(&pencil()).0
    };
    let other = "v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    for (message, error) in [
        (other, Error::Proof),
        ("v=AAAA", Error::Proof),
        ("", Error::Message),
        ("v=", Error::Message),
        ("v=?", Error::Message),
        ("e=invalid-proof", Error::Message),
    ] {
        assert_eq!(proof().read_server_final(message.as_bytes()), Err(error), "{message}");
    }
    let extended = format!("{SERVER_FINAL},x=ignored");
    assert_eq!(proof().read_server_final(extended.as_bytes()), Ok(()));
}

#[test]
fn a_wrong_challenge_is_refused() {
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    for (message, error) in [
        (String::new(), Error::Message),
        (format!("r={nonce}"), Error::Message),
        (format!("r={nonce},s=????,i=4096"), Error::Message),
        (format!("r={nonce},s=AAAA,i=many"), Error::Message),
        (format!("r={nonce},s=AAAA,i=-1"), Error::Message),
        (format!("s=AAAA,r={nonce},i=4096"), Error::Message),
        (format!("m=new,r={nonce},s=AAAA,i=4096"), Error::Unsupported),
        (format!("r={nonce},s=AAAA,i=4095"), Error::Iterations),
        (format!("r={nonce},s=AAAA,i=2000001"), Error::Iterations),
        (format!("r={CLIENT_NONCE},s=AAAA,i=4096"), Error::Exchange),
        ("r=other,s=AAAA,i=4096".to_owned(), Error::Exchange),
        (format!("r={CLIENT_NONCE}\u{E9},s=AAAA,i=4096"), Error::Nonce),
        (format!("r={nonce},s=AAAA,i=4096,junk"), Error::Message),
    ] {
        let (client, _) = Client::begin("user", CLIENT_NONCE).unwrap();
        assert_eq!(client.read_server_first(message.as_bytes()).unwrap_err(), error, "{message}");
    }
}

#[test]
fn a_wrong_beginning_is_refused() {
    for (message, error) in [
        ("", Error::Message),
        ("n=user,r=x", Error::Message),
        ("n,,n=,r=x", Error::Message),
        ("n,,n=user,r=", Error::Message),
        ("n,,n=user", Error::Message),
        ("n,,n=user,r=x,", Error::Message),
        ("n,,n=us\0er,r=x", Error::Message),
        ("n,,n=user,r=\u{E9}", Error::Nonce),
        ("n,,n=be\u{7}ll,r=x", Error::Text),
        ("n,a=admin,n=user,r=x", Error::Unsupported),
        ("p=tls-exporter,,n=user,r=x", Error::Unsupported),
        ("n,,m=new,n=user,r=x", Error::Unsupported),
    ] {
        assert_eq!(read_client_first(message.as_bytes()).unwrap_err(), error, "{message}");
    }
    assert_eq!(read_client_first(b"n,,n=\xFF,r=x").unwrap_err(), Error::Message);
    // The client could bind to a channel, and sees that this end cannot.
    assert!(read_client_first(b"y,,n=user,r=x,z=ignored").is_ok());
}

#[test]
fn a_wrong_proof_is_refused() {
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let right = CLIENT_FINAL.rsplit_once(",p=").unwrap().1;
    for (message, error) in [
        (String::new(), Error::Message),
        (format!("c=biws,r={nonce}"), Error::Message),
        (format!("c=biws,r={nonce},p="), Error::Message),
        (format!("c=biws,r={nonce},p=AAAA"), Error::Message),
        (format!("c=biws,r={nonce},junk,p={right}"), Error::Message),
        (format!("c=biws,r={nonce},p=A{}", right.split_at(1).1), Error::Proof),
        (format!("c=biws,r={nonce},x=added,p={right}"), Error::Proof),
        // Of another exchange, and of one whose beginning was changed on the way.
        (format!("c=biws,r={CLIENT_NONCE},p={right}"), Error::Exchange),
        (format!("c=eSws,r={nonce},p={right}"), Error::Exchange),
    ] {
        let (server, _) = opening().challenge(Keys::new(&pencil()), SERVER_NONCE).unwrap();
        assert_eq!(server.read_client_final(message.as_bytes()).unwrap_err(), error, "{message}");
    }
}

#[test]
fn keys_are_written_and_read() {
    let keys = keys("x");
    let text = keys.to_string();
    assert!(text.starts_with("SCRAM-SHA-256$4096:c2FsdA==$"), "{text}");
    assert_eq!(Keys::parse(&text), Some(keys));
    for wrong in [
        "",
        "SCRAM-SHA-256",
        &text.replacen("256", "512", 1),
        &text.replacen("4096", "4095", 1),
        &text.replacen("4096", "x", 1),
        &text.replacen("c2FsdA==", "", 1),
        &text.replacen("c2FsdA==", "c2FsdA", 1),
        text.split_at(text.len() - 1).0,
        &format!("{text}:"),
    ] {
        assert_eq!(Keys::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let password = Password::new("pencil").unwrap();
    assert_eq!(format!("{password:?} {:?}", pencil()), "Password(..) SaltedPassword(..)");
    assert_eq!(format!("{:?}", keys("x")), "Keys(..)");
}
