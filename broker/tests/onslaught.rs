//! Whatever clients do, the broker stands; `fuzz/targets/broker_core.rs` looks harder.

#[path = "support/onslaught.rs"]
mod onslaught;
#[path = "../../protocol/tests/support/source.rs"]
#[allow(dead_code, reason = "what it can make is shared with other tests")]
mod source;

#[test]
fn the_broker_stands_whatever_clients_do() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..3000 {
        let bytes: Vec<u8> = (0..round % 600 + 50)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        onslaught::check(&bytes);
    }
}
