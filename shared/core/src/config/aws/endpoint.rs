//! Where a service of AWS is.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use url::Url;

/// Partitions of AWS but the first: how their regions begin, and the domains of their services, the second for IPv6
/// beside IPv4.
const PARTITIONS: &[(&str, &str, &str)] = &[
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];
/// The first partition's domains, which `GovCloud` shares.
const COMMERCIAL: (&str, &str) = ("amazonaws.com", "api.aws");

/// Where requests go, and what they are signed for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The URL of every call.
    pub(super) endpoint: Url,
    /// The region that a signature names.
    pub(super) region: String,
    /// The service that a signature names.
    pub(super) signing_name: &'static str,
}

/// Why it is not known where a service is.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Nothing says in which region.
    #[error("no AWS region is set: set AWS_REGION, or `region` in the profile")]
    NoRegion,
    /// A region that would not stay one part of a host's name.
    #[error("{0:?} is not an AWS region")]
    InvalidRegion(String),
    /// An endpoint that is set and is none.
    #[error("the configured AWS endpoint {url:?} is not an http or https URL")]
    InvalidUrl {
        /// What is set.
        url: String,
    },
}

/// A service that keeps documents by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS Secrets Manager.
    SecretsManager,
    /// The parameter store of AWS Systems Manager.
    Ssm,
}

impl Service {
    /// How it is called in the shared configuration file and in `AWS_ENDPOINT_URL_…`.
    fn id(self) -> &'static str {
        match self {
            Self::SecretsManager => "Secrets Manager",
            Self::Ssm => "SSM",
        }
    }

    /// How hosts and signatures call it.
    fn signing_name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
        }
    }
}

/// Where a service is, as an environment has it: the endpoint that is set for it, or for all, or else AWS's own.
pub(super) fn target(service: Service, environment: &SdkConfig) -> Result<Target, EndpointError> {
    let region = environment.region().ok_or(EndpointError::NoRegion)?.to_string();
    let endpoint = match configured(service, environment) {
        Some(url) => match Url::parse(&url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
            _ => return Err(EndpointError::InvalidUrl { url }),
        },
        None => {
            let (is_fips, is_dual_stack) = (environment.use_fips(), environment.use_dual_stack());
            let host = host(service, &region, is_fips == Some(true), is_dual_stack == Some(true))?;
            Url::parse(&format!("https://{host}/"))
                .map_err(|_| EndpointError::InvalidRegion(region.clone()))?
        }
    };
    Ok(Target { endpoint, region, signing_name: service.signing_name() })
}

fn configured(service: Service, environment: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service.id())
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let of_service = environment.service_config().and_then(|settings| settings.load_config(key));
    of_service.or_else(|| environment.endpoint_url().map(str::to_owned))
}

fn host(service: Service, region: &str, is_fips: bool, is_dual_stack: bool) -> Result<String, EndpointError> {
    let is_label = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if region.is_empty() || !is_label {
        return Err(EndpointError::InvalidRegion(region.to_owned()));
    }
    let partition = PARTITIONS.iter().find(|(beginning, ..)| region.starts_with(beginning));
    let (domain, dual_stack_domain) = partition.map_or(COMMERCIAL, |(_, domain, dual)| (*domain, *dual));
    let domain = if is_dual_stack { dual_stack_domain } else { domain };
    // GovCloud's parameter store has one endpoint, which is a FIPS endpoint under the plain name.
    let is_plain = service == Service::Ssm && region.starts_with("us-gov-") && !is_dual_stack;
    let fips = if is_fips && !is_plain { "-fips" } else { "" };
    Ok(format!("{}{fips}.{region}.{domain}", service.signing_name()))
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[derive(Debug)]
    struct OfSsm;

    impl LoadServiceConfig for OfSsm {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            assert_eq!((key.env(), key.profile()), ("AWS_ENDPOINT_URL", "endpoint_url"));
            (key.service_id() == "SSM").then(|| "http://127.0.0.1:1/ssm".to_owned())
        }
    }

    fn in_region(region: &str) -> aws_types::sdk_config::Builder {
        SdkConfig::builder().region(Region::new(region.to_owned()))
    }

    fn endpoint(service: Service, environment: &SdkConfig) -> String {
        target(service, environment).unwrap().endpoint.to_string()
    }

    /// AWS's documented endpoints: each partition has domains of its own, and a secret must not leave its partition.
    #[test]
    fn a_region_leads_to_its_partitions_endpoint() {
        for (region, of_secrets, of_parameters) in [
            ("eu-central-1", "secretsmanager.eu-central-1.amazonaws.com", "ssm.eu-central-1.amazonaws.com"),
            ("cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn", "ssm.cn-north-1.amazonaws.com.cn"),
            (
                "us-gov-west-1",
                "secretsmanager.us-gov-west-1.amazonaws.com",
                "ssm.us-gov-west-1.amazonaws.com",
            ),
            (
                "us-isob-east-1",
                "secretsmanager.us-isob-east-1.sc2s.sgov.gov",
                "ssm.us-isob-east-1.sc2s.sgov.gov",
            ),
        ] {
            let environment = in_region(region).build();
            assert_eq!(endpoint(Service::SecretsManager, &environment), format!("https://{of_secrets}/"));
            assert_eq!(endpoint(Service::Ssm, &environment), format!("https://{of_parameters}/"));
        }
    }

    /// Who has to use FIPS endpoints, or has only IPv6, is not led to others.
    #[test]
    fn fips_and_dual_stack_are_honoured() {
        let fips = in_region("us-east-2").use_fips(true).build();
        assert_eq!(
            endpoint(Service::SecretsManager, &fips),
            "https://secretsmanager-fips.us-east-2.amazonaws.com/"
        );
        let both = in_region("us-gov-east-1").use_fips(true).use_dual_stack(true).build();
        assert_eq!(endpoint(Service::Ssm, &both), "https://ssm-fips.us-gov-east-1.api.aws/");
        let government = in_region("us-gov-east-1").use_fips(true).build();
        assert_eq!(endpoint(Service::Ssm, &government), "https://ssm.us-gov-east-1.amazonaws.com/");
        let dual = in_region("cn-north-1").use_dual_stack(true).build();
        assert_eq!(endpoint(Service::Ssm, &dual), "https://ssm.cn-north-1.api.amazonwebservices.com.cn/");
    }

    /// What users configured: the endpoint of a service goes before that of all, and both before AWS's own.
    #[test]
    fn an_endpoint_that_is_set_is_called() {
        let environment =
            in_region("us-east-1").endpoint_url("http://127.0.0.1:2").service_config(OfSsm).build();
        assert_eq!(endpoint(Service::Ssm, &environment), "http://127.0.0.1:1/ssm");
        assert_eq!(endpoint(Service::SecretsManager, &environment), "http://127.0.0.1:2/");
    }

    /// Promise 7: nothing in a region leads to another host. What is missing or wrong is named.
    #[test]
    fn what_is_no_place_is_refused() {
        for region in ["", "evil.example.com/", "x@y", "a b"] {
            let said = target(Service::Ssm, &in_region(region).build()).unwrap_err().to_string();
            assert!(said.contains("is not an AWS region"), "{said}");
        }
        let said = target(Service::Ssm, &SdkConfig::builder().build()).unwrap_err().to_string();
        assert!(said.contains("AWS_REGION"), "{said}");
        for url in ["ftp://127.0.0.1", "nowhere"] {
            let environment = in_region("us-east-1").endpoint_url(url).build();
            let said = target(Service::Ssm, &environment).unwrap_err().to_string();
            assert!(said.contains(url), "{said}");
        }
    }
}
