//! What a plane reports, from a decision to a line of JSON.
//!
//! An [`Event`] is one decision worth telling; a [`Record`] is what an engine hands over: an event, a count of
//! lost ones, or the news that the kill limit was reached. [`Denials`] carries records from the keeper to the
//! supervisor, counting; a [`Log`] writes them, one JSON object a line. This module knows no policy and no kernel hook.

mod denials;
mod event;
mod log;
mod time;

pub use denials::{Channel, Denials, Next, Packet, channel};
pub use event::{Cause, Event, EventErrno, RuleRef, escape, visible};
pub use log::{Log, LogError};
pub use time::timestamp;

/// What an engine hands over.
#[derive(Clone, Debug)]
pub enum Record {
    /// A decision.
    Event(Box<Event>),
    /// So many events could not be kept.
    Lost(u64),
    /// So many events were not told because there were too many of their kind.
    Folded(u64),
    /// The event before this one was the sandbox's last: its kill limit is reached.
    Limit,
}
