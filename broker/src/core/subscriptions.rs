//! The subscriptions of one session, by the text of their filters.

use std::sync::Arc;

use super::session::Options;

/// A sorted list: most sessions have a handful, and there are many sessions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<(Arc<str>, Options)>);

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, filter: &str) -> bool {
        self.position(filter).is_ok()
    }

    /// Adds a subscription, or replaces the one with the same filter; gives the filter's text, for
    /// others to share. [MQTT-3.8.4-3]
    pub(super) fn insert(&mut self, filter: &str, options: Options) -> Arc<str> {
        let index = match self.position(filter) {
            Ok(index) => {
                self.0[index].1 = options;
                index
            }
            Err(index) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, (filter.into(), options));
                index
            }
        };
        self.0[index].0.clone()
    }

    /// Removes a subscription; tells whether there was one.
    pub(super) fn remove(&mut self, filter: &str) -> bool {
        let found = self.position(filter);
        found.map(|index| self.0.remove(index)).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Options)> {
        self.0.iter().map(|(filter, options)| (&**filter, *options))
    }

    fn position(&self, filter: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(filter))
    }
}
