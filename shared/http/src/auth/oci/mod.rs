//! Principals of Oracle's cloud (OCI): who a call is signed by, and how.
//!
//! A principal is a profile of `~/.oci/config`, the resource principal of a function, the principal of an instance, or the
//! identity of a workload in Kubernetes. Those that have tokens renew them before they end, and once a server has
//! refused one.

mod environment;
mod error;
mod identity;
mod instance;
mod key;
mod profile;
mod region;
mod resource;
mod service;
mod signature;
mod signer;
#[cfg(any(test, feature = "scripted"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod workload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use url::{Origin, Url};

pub use environment::Environment;
pub use error::PrincipalError;
pub use region::Region;
pub use signature::clock_skew;

use self::identity::Identity;
use self::instance::Instance;
use self::profile::Profile;
use self::service::Asking;
use self::signature::Covers;
use self::signer::{signed, unsigned};
use self::workload::Workload;
use super::{Authorizer, Credential};
use crate::clock::Clock;
use crate::error::HttpError;
use crate::redact::Redactor;

/// Which principal signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A profile of Oracle's configuration file: an API key, or the token of a session.
    Profile,
    /// What functions, data flows and notebooks have in their environment.
    ResourcePrincipal,
    /// The machine itself.
    InstancePrincipal,
    /// The pod's service account.
    WorkloadIdentity,
}

/// Who signs, as configuration says it.
#[derive(Debug, Clone, Default)]
pub struct PrincipalSettings {
    /// Which principal; the first that is here, in the order of [`PrincipalKind`], where none is named.
    pub kind: Option<PrincipalKind>,
    /// The file with the profiles; `OCI_CONFIG_FILE` or `~/.oci/config` where none is named.
    pub config_file: Option<PathBuf>,
    /// The profile; `OCI_CONFIG_PROFILE` or `DEFAULT` where none is named.
    pub profile: Option<String>,
    /// Where a workload gets its token, where that does not follow from the cluster.
    pub token_url: Option<Url>,
    /// The environment.
    pub environment: Environment,
}

/// A principal that is here.
pub struct Principal {
    source: Source,
    region: Option<Region>,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
    /// Held while an identity is renewed: callers behind it find the next one.
    current: Mutex<Current>,
}

impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Principal({})", self.shown())
    }
}

/// Where identities are had.
#[derive(Debug)]
enum Source {
    Profile(Profile),
    Resource(Environment),
    Instance(Instance),
    Workload(Workload),
}

/// The identity that signs now.
struct Current {
    /// None once a server has refused it.
    identity: Option<Identity>,
    /// How many there were.
    issued: u64,
}

type Result<T, E = PrincipalError> = std::result::Result<T, E>;

impl Principal {
    /// Finds out who is here, and reads who that is.
    pub async fn open(settings: &PrincipalSettings, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let asking = Asking { clock: Arc::clone(&clock), redactor: Redactor::default() };
        let source = Source::find(settings, &asking).await?;
        let (identity, region) = source.load(clock.as_ref()).await?;
        asking.redactor.remember_issued(&identity.key_id);
        let current = Mutex::new(Current { identity: Some(identity), issued: 1 });
        Ok(Arc::new(Self { source, region, clock, redactor: asking.redactor, current }))
    }

    /// What it is called in messages.
    pub fn shown(&self) -> String {
        self.source.shown()
    }

    /// The region that comes with it.
    ///
    /// # Errors
    /// None does.
    pub fn region(&self) -> Result<&Region> {
        self.region.as_ref().ok_or_else(|| PrincipalError::NoRegion(self.shown()))
    }

    /// What is kept out of texts on its behalf.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Signs the calls to one server.
    pub fn signer(self: &Arc<Self>, server: &Url) -> Arc<dyn Authorizer> {
        Arc::new(Signer { principal: Arc::clone(self), origin: server.origin() })
    }

    /// Who signs now, and which issue that is.
    async fn identity(&self) -> Result<(Identity, u64)> {
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        let is_good = |identity: &Identity| identity.life.is_none_or(|life| !life.is_to_be_renewed(now));
        if let Some(identity) = current.identity.as_ref().filter(|identity| is_good(identity)) {
            return Ok((identity.clone(), current.issued));
        }
        match self.renewed(&mut current).await {
            Ok(identity) => Ok((identity, current.issued)),
            // Nobody could be asked, or nobody has written the next one yet: this one is good for a while.
            Err(error) => match &current.identity {
                Some(identity) if identity.life.is_some_and(|life| !life.is_over(now)) => {
                    tracing::debug!(%error, principal = self.shown(), "a token could not be renewed yet");
                    Ok((identity.clone(), current.issued))
                }
                _ => Err(error),
            },
        }
    }

    async fn renewed(&self, current: &mut MutexGuard<'_, Current>) -> Result<Identity> {
        let (identity, _) = self.source.load(self.clock.as_ref()).await?;
        self.redactor.remember_issued(&identity.key_id);
        current.identity = Some(identity.clone());
        current.issued = current.issued.saturating_add(1);
        Ok(identity)
    }
}

impl Source {
    async fn find(settings: &PrincipalSettings, asking: &Asking) -> Result<Self> {
        let PrincipalSettings { config_file, profile, token_url, environment, .. } = settings;
        let profile = Profile::named(config_file.as_deref(), profile.as_deref(), environment);
        let instance = Instance::new(environment, asking.clone());
        let workload = Workload::new(environment, token_url.clone(), asking.clone());
        let is_profile_named = settings.config_file.is_some() || settings.profile.is_some();
        match settings.kind {
            Some(PrincipalKind::Profile) => Ok(Self::Profile(profile)),
            Some(PrincipalKind::ResourcePrincipal) => Ok(Self::Resource(environment.clone())),
            Some(PrincipalKind::InstancePrincipal) => Ok(Self::Instance(instance)),
            Some(PrincipalKind::WorkloadIdentity) => Ok(Self::Workload(workload)),
            None if is_profile_named || profile.path().exists() => Ok(Self::Profile(profile)),
            None if resource::is_here(environment) => Ok(Self::Resource(environment.clone())),
            None if instance.is_here().await => Ok(Self::Instance(instance)),
            None if workload.is_here() => Ok(Self::Workload(workload)),
            None => Err(PrincipalError::NoneHere { config_file: profile.path().to_owned() }),
        }
    }

    async fn load(&self, clock: &dyn Clock) -> Result<(Identity, Option<Region>)> {
        match self {
            Self::Profile(profile) => profile.load(clock.now()),
            Self::Resource(environment) => resource::load(environment, clock.now()),
            Self::Instance(instance) => instance.load().await,
            Self::Workload(workload) => workload.load().await,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Profile(profile) => profile.shown(),
            Self::Resource(_) => resource::SHOWN.to_owned(),
            Self::Instance(_) => instance::SHOWN.to_owned(),
            Self::Workload(_) => workload::SHOWN.to_owned(),
        }
    }
}

/// Signs the calls to one server as a principal.
#[derive(Debug)]
struct Signer {
    principal: Arc<Principal>,
    origin: Origin,
}

#[async_trait]
impl Authorizer for Signer {
    fn covers(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// An API key is the same however often it is read.
    fn renews(&self) -> bool {
        let current = self.principal.current.try_lock();
        current
            .map_or(true, |current| current.identity.as_ref().is_none_or(|identity| identity.life.is_some()))
    }

    async fn credential(&self) -> Result<Credential, HttpError> {
        let current = self.principal.current.lock().await;
        Ok(Credential::in_headers(Vec::new(), current.issued))
    }

    async fn authorize(&self, request: &mut reqwest::Request) -> Result<Credential, HttpError> {
        let identity = self.principal.identity().await;
        let (identity, issued) = identity.map_err(|error| unsigned(request, error))?;
        signed(request, &identity, Covers::Host, self.principal.clock.now()).await?;
        Ok(Credential::in_headers(Vec::new(), issued))
    }

    async fn refused(&self, credential: &Credential) {
        let mut current = self.principal.current.lock().await;
        if current.issued == credential.serial()
            && current.identity.as_ref().is_some_and(|one| one.life.is_some())
        {
            current.identity = None;
        }
    }
}
