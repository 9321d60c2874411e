//! The store through a client that others wrote, the AWS SDK, over the loopback interface.

#[cfg(test)]
mod access;
#[cfg(test)]
mod checksums;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod races;
#[cfg(test)]
mod support;
