//! By what the AWS SDK calls, and what it finds out by itself.

use std::sync::LazyLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};

static HTTP_CLIENT: LazyLock<SharedHttpClient> = LazyLock::new(build);

/// What the AWS SDK's sources say of region, endpoints and credentials: its environment variables, profile, or the
/// function's role. A region that is given goes before theirs.
pub async fn environment(region: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    Box::pin(loader.load()).await
}

/// The client that everything of AWS's is called by: one for the process, with its connections and the certificates that
/// it trusts. It goes by the environment's proxies.
pub fn http_client() -> SharedHttpClient {
    HTTP_CLIENT.clone()
}

fn build() -> SharedHttpClient {
    // The SDK asserts that there are some where it looks for them.
    let trusts_machine = landfall_http::check_authorities().is_ok();
    let trusted = TrustStore::empty().with_native_roots(trusts_machine);
    let tls = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        if settings.is_none() {
            // Each service's client has one made to see that it can be, and drops it: not worth reading certificates for.
            return connector.build_http();
        }
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    })
}
