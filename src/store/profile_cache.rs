//! The memory for profiles that stay at hand between commits. A process has so much of it, however many partitions
//! it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a decoded profile takes, in bytes: an average one of the reference workload.
pub const DECODED_PROFILE_BYTES: usize = 1_500;

/// Memory for committed profiles, of which each partition of a process has an equal share.
#[derive(Debug)]
pub struct ProfileCache {
    bytes: usize,
    sharers: AtomicUsize,
}

/// One partition's share. It is smaller while there are others, and the others have it when it is dropped.
#[derive(Debug)]
pub struct CacheShare(Arc<ProfileCache>);

impl ProfileCache {
    /// So many bytes for all partitions together.
    pub fn new(bytes: usize) -> ProfileCache {
        ProfileCache { bytes, sharers: AtomicUsize::new(0) }
    }
}

impl CacheShare {
    /// The share of one more partition.
    pub fn of(cache: &Arc<ProfileCache>) -> CacheShare {
        cache.sharers.fetch_add(1, Ordering::Relaxed);
        CacheShare(Arc::clone(cache))
    }

    /// How many bytes it has now.
    pub fn bytes(&self) -> usize {
        self.0.bytes / self.0.sharers.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for CacheShare {
    fn drop(&mut self) {
        self.0.sharers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_partition_gives_back_the_others_have() {
        let cache = Arc::new(ProfileCache::new(600));
        let one = CacheShare::of(&cache);
        assert_eq!(one.bytes(), 600);
        let other = CacheShare::of(&cache);
        assert_eq!([one.bytes(), other.bytes()], [300, 300]);
        drop(one);
        assert_eq!(other.bytes(), 600);
    }
}
