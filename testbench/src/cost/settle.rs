//! Repeating something until it costs the same every time.

use std::io;

/// Nanoseconds, about, of a batch: a small part of the time between two ticks of the kernel, so that most batches have
/// none.
const BATCH: f64 = 6e5;
/// Of so many batches in a row the middle one
const ALIKE: usize = 9;
/// may be so far from the least.
const SPREAD: f64 = 0.005;
/// No more are run: what has not settled by then does not.
const MOST: usize = 200;

/// Runs `batch`, which gives nanoseconds for a number of rounds, until rounds cost the same; then takes `samples`. Also
/// gives how many batches it took to settle.
pub(super) fn settle(
    samples: usize,
    mut batch: impl FnMut(u32) -> io::Result<f64>,
) -> io::Result<(Option<usize>, Vec<f64>)> {
    let first = batch(32)? / 32.0;
    let count = (BATCH / first.max(1.0)).clamp(16.0, 20_000.0) as u32;
    let mut each = || Ok::<_, io::Error>(batch(count)? / f64::from(count));
    let mut recent: Vec<f64> = Vec::new();
    let mut settled = None;
    for number in 1..=MOST {
        recent.push(each()?);
        if recent.len() > ALIKE {
            recent.remove(0);
        }
        let least = recent.iter().copied().fold(f64::INFINITY, f64::min);
        let mut sorted = recent.clone();
        sorted.sort_by(f64::total_cmp);
        if recent.len() == ALIKE && sorted[ALIKE / 2] - least <= least * SPREAD {
            settled = Some(number);
            break;
        }
    }
    let taken = (0..samples).map(|_| each()).collect::<Result<_, _>>()?;
    Ok((settled, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_steady_settles_when_it_does() {
        let mut batches = 0;
        let (settled, samples) = settle(3, |count| {
            batches += 1;
            Ok(f64::from(count) * if batches < 20 { 1000.0 + 10.0 * f64::from(batches) } else { 1000.0 })
        })
        .expect("no call fails");
        assert_eq!(settled, Some(23));
        assert_eq!(samples, [1000.0; 3]);
    }

    #[test]
    fn what_does_not_become_steady_is_said_not_to() {
        let mut batches = 0;
        let (settled, _) = settle(1, |count| {
            batches += 1;
            Ok(f64::from(count) * f64::from(batches))
        })
        .expect("no call fails");
        assert_eq!(settled, None);
    }
}
