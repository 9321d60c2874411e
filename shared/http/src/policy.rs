//! Which hosts a connection calls, whoever names them.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why a URL or an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostRefused {
    /// An entry of a list of hosts that is none of the forms that it takes.
    #[error("{0:?} is not `host`, `host:port` or `*.host`")]
    Entry(String),
    /// A URL without a host, or that is no URL.
    #[error("{0:?} is not a URL with a host")]
    NotAUrl(String),
    /// A user name or password inside a URL.
    #[error("the URL for {0} carries credentials")]
    Credentials(String),
    /// Neither https, nor http to this very machine.
    #[error("{0} is not called over {1}: only https, and http to a loopback address")]
    Scheme(String, String),
    /// A host that no setting of the connection names.
    #[error("{host} is not a host of this connection{}", .advice.as_deref().map(|advice| format!(": {advice}")).unwrap_or_default())]
    Host {
        /// The host.
        host: String,
        /// Which setting it belongs into, if it should be called.
        advice: Option<Arc<str>>,
    },
    /// A name that leads to an address inside a network, which a stranger's answer could abuse.
    #[error("{host} resolves to {address}, {kind} that this connection does not name")]
    Address {
        /// The name that was looked up.
        host: String,
        /// What it leads to.
        address: IpAddr,
        /// What kind of address that is.
        kind: AddressKind,
    },
}

/// What an address is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// The internet.
    Public,
    /// A private network, a carrier's or a unique local one (RFC 1918, 6598, 4193).
    Private,
    /// This machine.
    Loopback,
    /// A link, or a cloud's metadata service.
    LinkLocal,
    /// Nothing that a server can be reached at: unspecified, multicast, documentation, reserved.
    Unusable,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local or metadata address",
            Self::Unusable => "a reserved address",
        })
    }
}

impl AddressKind {
    /// The kind of an address, looking through IPv6 forms that carry an IPv4 one.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| Self::of_v6(v6), Self::of_v4),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        // Azure's metadata and DNS service sits at a public-looking address, Alibaba's inside a carrier's range.
        const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
        let [a, b, c, _] = address.octets();
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_link_local() || METADATA.contains(&address) {
            Self::LinkLocal
        } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
            Self::Private
        } else if a == 0
            || a >= 224
            || address.is_documentation()
            || (a == 192 && b == 0 && c == 0)
            || (a == 192 && b == 88 && c == 99)
            || (a == 198 && (b == 18 || b == 19))
        {
            Self::Unusable
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        // EC2 offers its metadata service inside the unique local range.
        const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_unicast_link_local() || address == EC2_METADATA {
            Self::LinkLocal
        } else if address.is_unique_local() || is_site_local(address) {
            Self::Private
        } else if address.is_unspecified() || address.is_multicast() || is_reserved(address) {
            Self::Unusable
        } else {
            Self::Public
        }
    }
}

/// The IPv4 address inside a mapped, translated (RFC 7915), NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// The unique local addresses of before RFC 3879: `fec0::/10`.
fn is_site_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xffc0 == 0xfec0
}

/// Whether no server can be reached at an address (IANA's registry of special-purpose addresses). Of those that carry an
/// IPv4 address, these hide it: Teredo turns its bits round, a local NAT64 puts it where its network likes, and
/// IPv4-compatible ones are no more.
fn is_reserved(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4-compatible (RFC 4291, 2.5.5.1).
        [0, 0, 0, 0, 0, 0, _, _] => true,
        // Local NAT64 (RFC 8215).
        [0x64, 0xff9b, 1, ..] => true,
        // Discarded (RFC 6666).
        [0x100, 0, 0, 0, ..] => true,
        // Teredo (RFC 4380).
        [0x2001, 0, ..] => true,
        // Documentation (RFC 3849, RFC 9637).
        [0x2001, 0xdb8, ..] => true,
        [0x3fff, second, ..] => second < 0x1000,
        // Segment routing (RFC 9602).
        [0x5f00, ..] => true,
        _ => false,
    }
}

/// A host that a connection calls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AllowedHost {
    name: AllowedName,
    /// The port; the scheme's own where none is named.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AllowedName {
    Exact(Host<String>),
    /// Any name below this one, which begins with a dot.
    Below(String),
}

impl AllowedHost {
    fn of_url(url: &Url) -> Result<Self, HostRefused> {
        let host = url.host().ok_or_else(|| HostRefused::NotAUrl(shown(url)))?;
        Ok(Self { name: AllowedName::Exact(host.to_owned()), port: url.port_or_known_default() })
    }

    fn parse(entry: &str) -> Result<Self, HostRefused> {
        let refused = || HostRefused::Entry(entry.to_owned());
        let (below, rest) = match entry.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        // A URL's own parser knows ports, brackets of IPv6 and international names.
        let url = Url::parse(&format!("https://{rest}/")).map_err(|_| refused())?;
        let host = url.host().ok_or_else(refused)?.to_owned();
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !rest.contains(['/', '*', '?', '#', '@', '\\'])
            && !rest.chars().any(char::is_whitespace);
        let name = match host {
            // `*.com` would allow nearly everybody.
            Host::Domain(name) if below && name.contains('.') => AllowedName::Below(format!(".{name}")),
            _ if below => return Err(refused()),
            host => AllowedName::Exact(host),
        };
        if is_bare { Ok(Self { name, port: url.port() }) } else { Err(refused()) }
    }

    fn matches(&self, url: &Url) -> bool {
        let port_matches = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        port_matches && url.host().is_some_and(|host| self.name.matches(&host.to_owned()))
    }
}

impl AllowedName {
    fn matches(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Exact(allowed), host) => allowed == host,
            (Self::Below(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (Self::Below(_), _) => false,
        }
    }
}

/// The hosts that a connection calls: its base URL's, and those of `allowed_hosts`.
///
/// Only https, and http to this very machine. A host that the connection names exactly may lead into a
/// private network; one that only a `*.` entry covers may not, and no name may lead to a link-local or
/// metadata address.
#[derive(Debug, Clone)]
pub struct HostPolicy {
    allowed: Arc<[AllowedHost]>,
    allows_http: bool,
    own: Option<Arc<OwnServer>>,
    advice: Option<Arc<str>>,
}

/// The connection's own server, and the other names under which it calls itself: behind a gateway its links carry those.
#[derive(Debug)]
struct OwnServer {
    base_url: Url,
    names: Vec<AllowedHost>,
}

impl OwnServer {
    /// The URL below the base URL: the path, which may have its prefix already, and the query stay.
    fn at_base(&self, url: &Url) -> Url {
        let mut moved = self.base_url.clone();
        let prefix = self.base_url.path().trim_end_matches('/');
        let has_prefix = url.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        match has_prefix {
            true => moved.set_path(url.path()),
            false => moved.set_path(&format!("{prefix}{}", url.path())),
        }
        moved.set_query(url.query());
        moved
    }
}

impl HostPolicy {
    /// The policy of a connection. Fails where an entry is none of `host`, `host:port`, `*.host`,
    /// or the base URL itself could not be called.
    pub fn new(base_url: &Url, allowed_hosts: &[String]) -> Result<Self, HostRefused> {
        let mut allowed = vec![AllowedHost::of_url(base_url)?];
        for entry in allowed_hosts {
            allowed.push(AllowedHost::parse(entry)?);
        }
        let policy = Self { allowed: allowed.into(), allows_http: false, own: None, advice: None };
        policy.check(base_url)?;
        Ok(policy)
    }

    /// The policy of who calls a service of the machine's own cloud, which has no certificate, at an address that no
    /// server's answer may lead to. Only for a URL that the program itself, or a person, has named.
    pub(crate) fn of_own_service(base_url: &Url) -> Result<Self, HostRefused> {
        let allowed = vec![AllowedHost::of_url(base_url)?];
        Ok(Self { allowed: allowed.into(), allows_http: true, own: None, advice: None })
    }

    /// The same policy, for a server that calls itself by other names too: what leads to one of them is called under the
    /// base URL. Fails where an entry is none of `host`, `host:port`, `*.host`.
    pub fn with_names_of_its_own(mut self, base_url: &Url, names: &[String]) -> Result<Self, HostRefused> {
        let names: Vec<AllowedHost> =
            names.iter().map(|name| AllowedHost::parse(name)).collect::<Result<_, _>>()?;
        self.own = Some(Arc::new(OwnServer { base_url: base_url.clone(), names }));
        Ok(self)
    }

    /// The same policy, which says which setting a host belongs into that it refuses.
    #[must_use]
    pub fn advising(mut self, advice: impl Into<Arc<str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Which setting a host belongs into that is not the connection's own.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// The URL under which a URL is called: another one where it carries another name of the connection's own server.
    pub fn called_at<'a>(&self, url: &'a Url) -> Cow<'a, Url> {
        match &self.own {
            Some(own) if own.names.iter().any(|name| name.matches(url)) => Cow::Owned(own.at_base(url)),
            _ => Cow::Borrowed(url),
        }
    }

    /// The same hosts, over plain http too: for storage on a network of one's own, and only where a person has said so.
    #[must_use]
    pub fn allowing_http(mut self) -> Self {
        self.allows_http = true;
        self
    }

    /// Whether a URL may be called.
    pub fn check(&self, url: &Url) -> Result<(), HostRefused> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HostRefused::Credentials(shown_host(url)));
        }
        let called_at = self.called_at(url);
        let url = called_at.as_ref();
        let host = url.host().ok_or_else(|| HostRefused::NotAUrl(shown(url)))?;
        let named = || shown_host(url);
        let scheme_is_safe = match url.scheme() {
            "https" => true,
            "http" => self.allows_http || is_loopback(&host),
            _ => false,
        };
        if !scheme_is_safe {
            return Err(HostRefused::Scheme(named(), url.scheme().to_owned()));
        }
        if self.allowed.iter().any(|allowed| allowed.matches(url)) {
            Ok(())
        } else {
            Err(HostRefused::Host { host: named(), advice: self.advice.clone() })
        }
    }

    /// Whether a name that resolved to this address may be connected to there.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), HostRefused> {
        let kind = AddressKind::of(address);
        let allowed = match kind {
            AddressKind::Public => true,
            AddressKind::Private => self.names_exactly(host),
            AddressKind::Loopback => host.eq_ignore_ascii_case("localhost"),
            AddressKind::LinkLocal | AddressKind::Unusable => false,
        };
        if allowed { Ok(()) } else { Err(HostRefused::Address { host: host.to_owned(), address, kind }) }
    }

    fn names_exactly(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| match &allowed.name {
            AllowedName::Exact(Host::Domain(name)) => name.eq_ignore_ascii_case(host),
            _ => false,
        })
    }

    /// Whether the base URL, the first host of the policy, is this very machine.
    pub(super) fn is_local(&self) -> bool {
        self.allowed.first().is_some_and(|allowed| match &allowed.name {
            AllowedName::Exact(Host::Domain(name)) => is_loopback(&Host::Domain(name.as_str())),
            AllowedName::Exact(Host::Ipv4(v4)) => v4.is_loopback(),
            AllowedName::Exact(Host::Ipv6(v6)) => v6.is_loopback(),
            AllowedName::Below(_) => false,
        })
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback(),
    }
}

fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn shown(url: &Url) -> String {
    super::redact::url(url)
}

/// Resolves names as the system does, and drops what the policy does not allow.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) HostPolicy);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed = allowed_addresses(&policy, &host, found)?;
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}

/// Those of a name's addresses that may be connected to; the last refusal where none may.
fn allowed_addresses(
    policy: &HostPolicy,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, HostRefused> {
    let mut allowed = Vec::with_capacity(found.len());
    let mut refusal = None;
    for address in found {
        match policy.check_address(host, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(refused) => refusal = Some(refused),
        }
    }
    match refusal {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn policy() -> HostPolicy {
        let allowed = ["files.example.com", "cdn.example.com:8443", "*.storage.example.net"];
        HostPolicy::new(&url("https://pod.example.com/"), &allowed.map(str::to_owned)).unwrap()
    }

    /// Plain http beyond this machine is for those hosts that a connection names, and only where it says so.
    #[test]
    fn plain_http_is_called_only_where_it_is_allowed() {
        let hosts = ["minio.example:9000".to_owned()];
        let named = HostPolicy::new(&url("https://folio.example/"), &hosts).unwrap();
        let minio = url("http://minio.example:9000/x");
        assert!(matches!(named.check(&minio), Err(HostRefused::Scheme(..))));
        let open = named.allowing_http();
        assert_eq!(open.check(&minio), Ok(()));
        assert!(matches!(open.check(&url("http://other.example/")), Err(HostRefused::Host { .. })));
        assert!(matches!(open.check(&url("ftp://minio.example:9000/")), Err(HostRefused::Scheme(..))));
    }

    /// Promise 7: no server's answer makes us call a host that the connection does not allow.
    #[test]
    fn only_the_connections_own_hosts_are_called() {
        for allowed in [
            "https://pod.example.com/x",
            "https://pod.example.com:443/x",
            "https://POD.example.com/x",
            "https://files.example.com/x?y=z",
            "https://cdn.example.com:8443/",
            "https://a.storage.example.net/",
            "https://a.b.storage.example.net/",
        ] {
            assert_eq!(policy().check(&url(allowed)), Ok(()), "{allowed}");
        }
        for refused in [
            "https://pod.example.com:8443/",
            "https://pod.example.com.evil.example/",
            "https://evilpod.example.com/",
            "https://files.example.com:444/",
            "https://cdn.example.com/",
            "https://storage.example.net/",
            "https://evilstorage.example.net/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2852039166/",
            "https://[::1]/",
            "https://localhost/",
        ] {
            assert!(matches!(policy().check(&url(refused)), Err(HostRefused::Host { .. })), "{refused}");
        }
    }

    /// Promise 7: https only, loopback exempt, and only where the connection names it.
    #[test]
    fn plain_http_is_for_this_machine_alone() {
        let refused = policy().check(&url("http://pod.example.com/")).unwrap_err();
        assert!(matches!(refused, HostRefused::Scheme(..)), "{refused}");
        assert!(matches!(policy().check(&url("ftp://pod.example.com/")), Err(HostRefused::Scheme(..))));
        assert!(matches!(policy().check(&url("http://127.0.0.1:1/")), Err(HostRefused::Host { .. })));
        for base in ["http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:8080/"] {
            let local = HostPolicy::new(&url(base), &[]).unwrap();
            assert_eq!(local.check(&url(base)), Ok(()));
            assert!(local.is_local());
            assert!(local.check(&url("http://127.0.0.1:8081/")).is_err(), "another port is another server");
        }
        assert!(HostPolicy::new(&url("http://pod.example.com/"), &[]).is_err());
        assert!(HostPolicy::new(&url("http://10.0.0.1/"), &[]).is_err());
    }

    /// Links under another name of the own server are called under the base URL, path and query as they are; no name
    /// besides those is.
    #[test]
    fn other_names_of_the_own_server_are_called_under_the_base_url() {
        let names = ["epm.internal".to_owned(), "pod:8443".to_owned()];
        let moved = |base: &str, link: &str| {
            let base = url(base);
            let policy = HostPolicy::new(&base, &[]).unwrap().with_names_of_its_own(&base, &names).unwrap();
            assert_eq!(policy.check(&url(link)).is_ok(), policy.check(&policy.called_at(&url(link))).is_ok());
            policy.called_at(&url(link)).to_string()
        };
        for (base, link, called) in [
            (
                "https://gw.example/",
                "https://epm.internal/a%2Fb/c?d=e%20f&g",
                "https://gw.example/a%2Fb/c?d=e%20f&g",
            ),
            ("https://gw.example:444/", "http://epm.internal/a", "https://gw.example:444/a"),
            ("https://gw.example/epm/", "https://pod:8443/a?b", "https://gw.example/epm/a?b"),
            ("https://gw.example/epm", "https://epm.internal/epm/a", "https://gw.example/epm/a"),
            ("https://gw.example/epm", "https://epm.internal/epmx", "https://gw.example/epm/epmx"),
            ("https://gw.example/", "https://epm.internal:444/a", "https://epm.internal:444/a"),
            ("https://gw.example/", "https://other.example/a", "https://other.example/a"),
        ] {
            assert_eq!(moved(base, link), called);
        }
        let base = url("https://gw.example/");
        let policy = HostPolicy::new(&base, &[]).unwrap().advising("add it to http.same_as");
        assert!(HostPolicy::with_names_of_its_own(policy.clone(), &base, &["a/b".to_owned()]).is_err());
        let policy = policy.with_names_of_its_own(&base, &names).unwrap();
        assert_eq!(policy.check(&url("http://epm.internal/a")), Ok(()));
        assert!(policy.check(&url("https://u:p@epm.internal/a")).is_err());
        let refused = policy.check(&url("https://other.example/a")).unwrap_err().to_string();
        assert_eq!(refused, "other.example is not a host of this connection: add it to http.same_as");
    }

    /// A password in a URL would reach logs, and another server's idea of a host.
    #[test]
    fn a_url_with_credentials_is_refused() {
        let refused = policy().check(&url("https://pod.example.com@evil.example/")).unwrap_err();
        assert!(matches!(refused, HostRefused::Credentials(_)));
        assert!(policy().check(&url("https://u:p@pod.example.com/")).is_err());
    }

    /// A literal private address is called only where the connection names that very address.
    #[test]
    fn a_literal_address_must_be_named() {
        let policy = HostPolicy::new(&url("https://10.1.2.3/"), &["192.168.0.9:8443".to_owned()]).unwrap();
        assert_eq!(policy.check(&url("https://10.1.2.3/x")), Ok(()));
        assert_eq!(policy.check(&url("https://192.168.0.9:8443/")), Ok(()));
        assert!(policy.check(&url("https://10.1.2.4/")).is_err());
    }

    /// A name that suddenly leads into the network (DNS rebinding) is refused, IPv6 disguises included.
    #[test]
    fn what_a_name_resolves_to_is_checked() {
        let check = |host: &str, address: &str| policy().check_address(host, address.parse().unwrap());
        assert_eq!(check("a.storage.example.net", "93.184.216.34"), Ok(()));
        assert_eq!(check("pod.example.com", "10.0.0.7"), Ok(()), "a private endpoint, named exactly");
        for (host, address) in [
            ("a.storage.example.net", "10.0.0.7"),
            ("a.storage.example.net", "100.64.0.1"),
            ("a.storage.example.net", "fd12::1"),
            ("a.storage.example.net", "::ffff:192.168.1.1"),
            ("a.storage.example.net", "64:ff9b::a00:1"),
            ("pod.example.com", "169.254.169.254"),
            ("pod.example.com", "::ffff:169.254.169.254"),
            ("pod.example.com", "fd00:ec2::254"),
            ("pod.example.com", "168.63.129.16"),
            ("pod.example.com", "fe80::1"),
            ("pod.example.com", "127.0.0.1"),
            ("pod.example.com", "2002:7f00:1::"),
            ("pod.example.com", "0.0.0.0"),
            ("pod.example.com", "224.0.0.1"),
            ("pod.example.com", "::"),
            ("pod.example.com", "::7f00:1"),
            ("pod.example.com", "::a9fe:a9fe"),
            ("pod.example.com", "::ffff:0:169.254.169.254"),
            ("pod.example.com", "::ffff:0:127.0.0.1"),
            ("a.storage.example.net", "::ffff:0:10.0.0.7"),
            ("pod.example.com", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
            ("pod.example.com", "64:ff9b:1::a9fe:a9fe"),
            ("a.storage.example.net", "fec0::1"),
            ("a.storage.example.net", "feff::1"),
            ("pod.example.com", "100::1"),
            ("pod.example.com", "3fff::1"),
            ("pod.example.com", "3fff:fff::1"),
            ("pod.example.com", "5f00::1"),
            ("pod.example.com", "192.88.99.1"),
            ("pod.example.com", "2002:c058:6301::"),
            ("pod.example.com", "100.100.100.200"),
        ] {
            assert!(matches!(check(host, address), Err(HostRefused::Address { .. })), "{host} {address}");
        }
        assert_eq!(check("localhost", "127.0.0.1"), Ok(()));
        assert!(check("localhost", "::7f00:1").is_err());
        for public in [
            "2606:2800:220:1::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "100:0:0:1::1",
            "64:ff9b::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "3fff:1000::1",
            "192.88.98.1",
            "100.128.0.1",
        ] {
            assert_eq!(check("a.storage.example.net", public), Ok(()), "{public}");
        }
        assert_eq!(check("pod.example.com", "fec0::1"), Ok(()), "a private endpoint, named exactly");
    }

    /// One good address is enough; none is an error that says which was bad.
    #[test]
    fn refused_addresses_are_dropped_from_a_names_list() {
        let both: Vec<SocketAddr> =
            ["169.254.169.254:0", "93.184.216.34:0"].map(|a| a.parse().unwrap()).into();
        let allowed = allowed_addresses(&policy(), "pod.example.com", both.clone()).unwrap();
        assert_eq!(allowed, both[1..]);
        let refused = allowed_addresses(&policy(), "pod.example.com", both[..1].to_vec()).unwrap_err();
        assert!(refused.to_string().contains("169.254.169.254"), "{refused}");
    }

    /// A wrong entry is refused when the connection is read, not when a download fails.
    #[test]
    fn malformed_entries_are_refused() {
        for entry in [
            "",
            "*",
            "*.",
            "*.com",
            "https://x.example",
            "a.example/path",
            "a b",
            "u@a.example",
            "*.10.0.0.1",
        ] {
            let refused = HostPolicy::new(&url("https://pod.example.com"), &[entry.to_owned()]);
            assert!(matches!(refused, Err(HostRefused::Entry(_))), "{entry:?}: {refused:?}");
        }
    }
}
