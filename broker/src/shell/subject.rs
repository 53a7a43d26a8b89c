//! Who a certificate is for: the common name of its subject.
//!
//! A certificate is DER, tag, length and content nested; only the way to the subject is gone. It was
//! verified before, and still nothing here takes its word for a length.

/// A piece of DER: its tag, its content, and what is behind.
struct Piece<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
/// The version of a certificate, which the oldest ones do not have.
const VERSION: u8 = 0xA0;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The common name of a certificate's subject; none if there is none, or more than one.
pub(super) fn common_name(certificate: &[u8]) -> Option<&str> {
    let mut rest = enter(enter(certificate, SEQUENCE)?, SEQUENCE)?;
    if read(rest)?.tag == VERSION {
        rest = read(rest)?.rest;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        rest = read(rest)?.rest;
    }
    let mut names = enter(rest, SEQUENCE)?;
    let mut found = None;
    while !names.is_empty() {
        let Piece { tag: SET, content: mut attributes, rest } = read(names)? else { return None };
        while !attributes.is_empty() {
            let attribute = read(attributes)?;
            if let Some(name) = name_in(attribute.content)? {
                if found.is_some() {
                    return None;
                }
                found = Some(name);
            }
            attributes = attribute.rest;
        }
        names = rest;
    }
    found
}

/// The text of an attribute that is a common name.
fn name_in(attribute: &[u8]) -> Option<Option<&str>> {
    let Piece { tag: OBJECT_IDENTIFIER, content, rest } = read(attribute)? else { return None };
    if content != COMMON_NAME {
        return Some(None);
    }
    match read(rest)? {
        Piece { tag: UTF8_STRING | PRINTABLE_STRING | IA5_STRING, content, .. } => {
            std::str::from_utf8(content).ok().map(Some)
        }
        _ => None,
    }
}

/// The content of a piece with this tag.
fn enter(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    read(bytes).filter(|piece| piece.tag == tag).map(|piece| piece.content)
}

fn read(bytes: &[u8]) -> Option<Piece<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        // So many bytes of length follow; four say more than any certificate is long.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Piece { tag, content, rest })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_of_the_subject_is_found() {
        let both = [(DnType::OrganizationName, "Ann's"), (DnType::CommonName, "ann ä")];
        assert_eq!(common_name(&certificate(&both)), Some("ann ä"));
        assert_eq!(common_name(&certificate(&both[..1])), None);
        assert_eq!(common_name(&certificate(&[])), None);
    }

    /// Whatever is cut off or changed, it is no more than not found, or another name.
    #[test]
    fn broken_certificates_do_no_harm() {
        let whole = certificate(&[(DnType::CommonName, "ann")]);
        for length in 0..whole.len() {
            let _ = common_name(&whole[..length]);
        }
        for place in 0..whole.len() {
            for value in [0x00, 0x30, 0x7F, 0x80, 0x84, 0xFF] {
                let mut changed = whole.clone();
                changed[place] = value;
                let _ = common_name(&changed);
            }
        }
        assert_eq!(common_name(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), None);
    }
}
