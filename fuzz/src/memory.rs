//! What an input may cost in memory, whatever it says of itself.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One mebibyte.
pub(crate) const MIB: usize = 1 << 20;

/// Runs what may have no more than so many bytes at once, above those that were in use before.
pub(crate) fn within<T>(bytes: usize, run: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = run();
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert!(used <= bytes, "{used} bytes of memory were in use at once, where {bytes} are enough");
    result
}
