//! A store in which one bit is not what it was.

use mqtt_broker::core::Core;
use mqtt_broker::core::change::Change;
use mqtt_broker::core::time::Instant;
use mqtt_broker::store::{Batch, RedbStore, Store, StoreError};

use crate::dialogue::{Broker, connect};
use crate::disk::Disk;
use crate::{Chance, world};

/// Flips a bit in each of so many copies of a store; gives how many opened with nothing lost, the
/// others having been refused.
pub fn count_harmless(chance: &mut Chance, count: u64) -> u64 {
    let wall_clock = world::wall_clock(Instant::default());
    let disk = Disk::default();
    let mut store = RedbStore::open_in(Box::new(disk.clone()), wall_clock).unwrap();
    store.commit(&content()).unwrap();
    let before = loaded(&store).unwrap();
    assert!(before.len() > 100);
    drop(store);

    let mut harmless = 0;
    for _ in 0..count {
        let copy = disk.copy_with_flipped_bit(chance);
        let found = RedbStore::open_in(Box::new(copy), wall_clock).and_then(|it| loaded(&it));
        if let Ok(found) = found {
            assert_eq!(found, before, "a bit was lost and nobody has noticed");
            harmless += 1;
        }
    }
    harmless
}

fn loaded(store: &RedbStore) -> Result<Vec<Change>, StoreError> {
    // As the broker does, which takes care of panics.
    let mut core: Core = world::new_core(Instant::default(), Default::default());
    mqtt_broker::store::restore(store, &mut core, Instant::default())?;
    let mut changes = Vec::new();
    store.load(&mut |change| changes.push(change))?;
    Ok(changes)
}

/// What a broker keeps of some clients and messages.
fn content() -> Batch {
    let mut broker = Broker::new();
    for number in 0..20 {
        let name = format!("client-{number}");
        let (client, _) = broker.resume(&name);
        broker.subscribe(client, "t/#", mqtt_protocol::QoS::AtLeastOnce);
        broker.lose(client);
    }
    let publisher = broker.connect_with(&connect("publisher"));
    for number in 0..20 {
        broker.publish_1(publisher, &format!("t/{number}"), &"payload ".repeat(number * 10));
    }
    let mut batch = Batch::default();
    broker.stored.into_iter().for_each(|change| batch.add(change));
    batch
}
