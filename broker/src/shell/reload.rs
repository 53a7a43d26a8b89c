//! What can change while the broker runs: who may connect and do what, certificates, limits.

use std::sync::Arc;

use tracing::warn;

use super::admission::read_access;
use super::door::Terms;
use super::hub::Hub;
use super::server::{Options, StartError, refuse_open_doors};
use super::tls::Tls;
use crate::core::NonceSecret;

/// Changes a broker that runs.
pub struct Reloader {
    pub(super) hub: Arc<Hub>,
    pub(super) terms: Arc<Terms>,
    /// One for each encrypted listener.
    pub(super) tls: Vec<Tls>,
    pub(super) secret: NonceSecret,
    /// What the broker was started with.
    pub(super) started_with: Options,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Reads all files anew and goes by what they and the options say. Whoever is connected stays,
    /// if they would still be let in.
    ///
    /// # Errors
    /// Something is wrong. All is as it was then.
    pub fn reload(&self, options: &Options) -> Result<(), StartError> {
        refuse_open_doors(&self.started_with.listen, options)?;
        let access = read_access(options, &self.secret).map_err(StartError::Access)?;
        let configs = self.tls.iter().map(|tls| tls.prepare(options.tls.as_ref()));
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        for (tls, config) in self.tls.iter().zip(configs) {
            tls.change(config);
        }
        self.terms.change_limits(options.limits.clone());
        self.hub.change(access, options.limits.clone());
        for name in self.started_with.differing(options) {
            warn!("{name} stays as it was until the broker starts anew");
        }
        Ok(())
    }
}
