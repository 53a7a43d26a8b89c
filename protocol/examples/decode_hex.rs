//! Prints the packets in a hex dump.
//!
//! ```text
//! $ echo '30 09 00 04 "room" 00 "hi"  C0 00' | cargo run --example decode_hex
//! 11 bytes: Publish(Publish { delivery: AtMostOnce, … })
//! 2 bytes: PingReq
//! ```
//!
//! The dump is hex digits in pairs, `"text"`, and comments from `#` on, as in
//! `tests/golden/`.

use std::error::Error;
use std::io::Read;
use std::process::ExitCode;

use mqtt_protocol::{Decoded, MAXIMUM_PACKET_SIZE, decode};

#[path = "../tests/support/notation.rs"]
mod notation;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut dump = String::new();
    std::io::stdin().read_to_string(&mut dump)?;
    print_packets(&notation::bytes(&dump)?)
}

fn print_packets(mut bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    while !bytes.is_empty() {
        match decode(bytes, MAXIMUM_PACKET_SIZE)? {
            Decoded::Packet { packet, length } => {
                println!("{length} bytes: {packet:?}");
                bytes = &bytes[length..];
            }
            Decoded::Incomplete { needed } => {
                return Err(format!("only {} bytes of {needed} or more", bytes.len()).into());
            }
        }
    }
    Ok(())
}
