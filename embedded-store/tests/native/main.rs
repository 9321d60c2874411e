//! OCI's own API as the embedded store serves it: each answer that somebody has measured on the real service, one test an
//! answer. Calls are signed by landfall's own client.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod support;
