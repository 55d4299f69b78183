//! Events as the lsm plane's ring buffer carries them.

use std::mem::size_of;

use crate::image::view;
use crate::layout::EventRecord;
use crate::op::Op;
use crate::verdict::Reason;

/// One record with the bytes that follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The fixed part.
    pub record: EventRecord,
    /// The operation.
    pub op: Op,
    /// Why it was denied, or allowed.
    pub reason: Reason,
    /// The object's path, cut if the record's flag says so.
    pub path: &'a [u8],
    /// A path or text argument.
    pub argument: &'a [u8],
}

/// Reads one record; `None` if it is malformed. Bytes after its end are ignored: the ring buffer pads.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Event<'_>> {
    let (head, tail) = bytes.split_at_checked(size_of::<EventRecord>())?;
    let record: EventRecord = view::read(head, 0);
    let (path, tail) = tail.split_at_checked(record.path_len as usize)?;
    let argument = tail.get(..record.arg_len as usize)?;
    Some(Event {
        op: Op::from_id(record.op)?,
        reason: Reason::from_id(record.reason)?,
        record,
        path,
        argument,
    })
}
