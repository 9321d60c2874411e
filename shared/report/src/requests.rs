//! What a job asks of the store, and what that costs: `docs/cost.md` has the formula, and a test holds it.

use landfall_store::PART_BYTES;

/// Amazon's list prices of a thousand requests, in billionths of a dollar: S3 Standard in us-east-1.
const PER_1000_PUTS: u64 = 5_000_000;
const PER_1000_GETS: u64 = 400_000;

/// The requests of a job that was not disturbed: looking whether it has ended is not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    files: u64,
    /// The parts that the files are read in.
    reads: u64,
    uploads: u64,
    has_large_files: bool,
    has_large_objects: bool,
}

impl Requests {
    /// Counts a file of the source.
    pub fn file(&mut self, size: u64) {
        self.files += 1;
        self.reads = self.reads.saturating_add(parts(size));
        self.uploads = self.uploads.saturating_add(upload(size));
        self.has_large_files |= is_large(size);
    }

    /// Counts an object in the landing bucket, the manifest among them.
    pub fn object(&mut self, size: u64) {
        self.uploads = self.uploads.saturating_add(upload(size));
        self.has_large_objects |= is_large(size);
    }

    /// Those that are charged as a PUT.
    pub fn puts(&self) -> u64 {
        let of_large = 2 * u64::from(self.has_large_files) + u64::from(self.has_large_objects);
        (10 + of_large).saturating_add(self.files.saturating_mul(5)).saturating_add(self.uploads)
    }

    /// Those that are charged as a GET, at most.
    pub fn gets(&self) -> u64 {
        33_u64.saturating_add(self.files.saturating_mul(16)).saturating_add(self.reads.saturating_mul(4))
    }

    /// What they cost at Amazon's list prices, in dollars.
    pub fn dollars(&self) -> String {
        let puts = u128::from(self.puts()) * u128::from(PER_1000_PUTS);
        let gets = u128::from(self.gets()) * u128::from(PER_1000_GETS);
        // Rounded up: to a ten-thousandth.
        let parts = ((puts + gets) / 1000).div_ceil(100_000);
        format!("{}.{:04}", parts / 10_000, parts % 10_000)
    }
}

fn parts(size: u64) -> u64 {
    size.div_ceil(part_bytes())
}

fn is_large(size: u64) -> bool {
    size >= part_bytes()
}

/// A multipart upload is begun and completed.
fn upload(size: u64) -> u64 {
    if is_large(size) { parts(size).saturating_add(2) } else { 1 }
}

fn part_bytes() -> u64 {
    u64::try_from(PART_BYTES).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The price is that of the requests, and never less.
    #[test]
    fn a_price_is_that_of_the_requests() {
        let mut requests = Requests::default();
        requests.file(100);
        requests.object(100);
        requests.object(100);
        assert_eq!((requests.puts(), requests.gets()), (10 + 5 + 3, 33 + 16 + 4));
        assert_eq!(requests.dollars(), "0.0002");
        requests.object(part_bytes() * 3);
        assert_eq!(requests.puts(), 18 + 5 + 1);
        (0..1_000_000).for_each(|_| requests.object(1));
        assert_eq!(requests.dollars(), "5.0002");
    }
}
