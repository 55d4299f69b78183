//! How many threads a large policy is worked on by. What comes out never depends on it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What was asked for; 0 is as many as there are processors.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// At most so many threads from here on, in the whole process.
pub fn at_most(threads: NonZeroUsize) {
    MOST.store(threads.get(), Ordering::Relaxed);
}

/// How many threads there are to use.
#[must_use]
pub fn count() -> usize {
    match MOST.load(Ordering::Relaxed) {
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

fn joined<R>(thread: thread::ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
