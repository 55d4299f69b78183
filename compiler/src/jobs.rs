//! How many threads a large policy is worked on by. What comes out never depends on it.

use std::cmp::Ordering;
use std::num::NonZeroUsize;
use std::sync::atomic::{self, AtomicUsize};
use std::thread;

/// What was asked for; 0 is as many as there are processors.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Items that one thread sorts sooner than two.
const WORTH_SORTING: usize = 50_000;

/// At most so many threads from here on, in the whole process.
pub fn at_most(threads: NonZeroUsize) {
    MOST.store(threads.get(), atomic::Ordering::Relaxed);
}

/// How many threads there are to use.
#[must_use]
pub fn count() -> usize {
    match MOST.load(atomic::Ordering::Relaxed) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        most => most,
    }
}

/// What `work` makes of `items`, cut into as many chunks as there are threads, but of at least `least` items each; in the
/// order of the chunks.
pub(crate) fn in_chunks<T: Sync, R: Send>(
    items: &[T],
    least: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let chunk = items.len().div_ceil(count()).max(least).max(1);
    if items.len() <= chunk {
        return vec![work(items)];
    }
    thread::scope(|scope| {
        let mut chunks = items.chunks(chunk);
        let own = chunks.next();
        let threads: Vec<_> = chunks.map(|items| scope.spawn(|| work(items))).collect();
        let own = own.map(&work);
        own.into_iter().chain(threads.into_iter().map(joined)).collect()
    })
}

/// What both come to, side by side if there are threads for it.
pub(crate) fn both<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    if count() < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), joined(other))
    })
}

/// Sorts `items`, of which those that are equal are the same, by as many as two threads.
pub(crate) fn sort_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    if count() < 2 || items.len() < WORTH_SORTING {
        return items.sort_unstable_by(compare);
    }
    let (one, other) = items.split_at_mut(items.len() / 2);
    both(|| one.sort_unstable_by(&compare), || other.sort_unstable_by(&compare));
    // Of two sorted halves this is a merge.
    items.sort_by(compare);
}

fn joined<R>(thread: thread::ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_are_sorted_as_few_are() {
        let mut items: Vec<u32> = (0..200_001).map(|at: u32| at.wrapping_mul(2_654_435_761)).collect();
        let mut wanted = items.clone();
        wanted.sort_unstable();
        sort_by(&mut items, Ord::cmp);
        assert_eq!(items, wanted);
    }
}
