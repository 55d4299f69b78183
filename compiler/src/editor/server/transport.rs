//! Messages on a stream: a header with the length, an empty line, and JSON.

use std::io::{self, BufRead, Read as _, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use lsp_server::ErrorCode;
use serde_json::Value;

/// The longest message that is read.
pub(super) const LONGEST: usize = 256 << 20;
/// The longest line of a header.
const LONGEST_HEADER: u64 = 4096;
/// How many messages wait to be answered before the client has to wait.
const WAITING: usize = 1024;
/// What precedes a message's length.
const LENGTH: &[u8] = b"content-length:";

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message: some JSON.
    Message(Value),
    /// Something that is no message: which of the protocol's errors it is, and why.
    Bad(ErrorCode, String),
    /// Nothing comes any more.
    End,
}

/// Reads messages in a thread of its own, so that it can be seen whether more are waiting.
pub(super) fn listen(input: impl BufRead + Send + 'static) -> Receiver<Incoming> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::spawn(move || {
        // The stream's end and its failure are the same to a server: there is nobody to talk to.
        let _ = read_all(input, &sender);
        let _ = sender.send(Incoming::End);
    });
    receiver
}

fn read_all(mut input: impl BufRead, sender: &SyncSender<Incoming>) -> io::Result<()> {
    while let Some(header) = header(&mut input)? {
        let length = match header {
            Ok(length) => length,
            Err(why) => {
                let told = sender.send(Incoming::Bad(ErrorCode::ParseError, why));
                // Where the message ends is not known: go on at the next header.
                if told.is_err() || !find_length(&mut input)? {
                    return Ok(());
                }
                match rest_of_header(&mut input)? {
                    Some(length) => length,
                    None => continue,
                }
            }
        };
        let mut body = Vec::new();
        input.by_ref().take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Ok(());
        }
        let incoming = match serde_json::from_slice(&body) {
            Ok(value) => Incoming::Message(value),
            Err(error) => Incoming::Bad(ErrorCode::ParseError, format!("the message is not JSON: {error}")),
        };
        if sender.send(incoming).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The length that the next header gives, or why it gives none; `None` at the end of the stream.
fn header(input: &mut impl BufRead) -> io::Result<Option<Result<usize, String>>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Ok(Some(Err("the header has no end".to_owned())));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(Some(length.unwrap_or_else(|| Err("the header has no `Content-Length`".to_owned()))));
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix(LENGTH) {
            let known = parse(value);
            if known.is_err() {
                return Ok(Some(known));
            }
            length = Some(known);
        } else if !line.contains(&b':') {
            return Ok(Some(Err("a line of the header is not `name: value`".to_owned())));
        }
    }
}

fn parse(value: &[u8]) -> Result<usize, String> {
    let text = String::from_utf8_lossy(value.trim_ascii()).into_owned();
    match text.parse::<usize>() {
        Ok(length) if length <= LONGEST => Ok(length),
        Ok(length) => Err(format!("the message has {length} bytes, the limit is {LONGEST}")),
        Err(_) => Err(format!("`{text}` is not a length")),
    }
}

/// Skips what stands before the next `Content-Length:`, and that; false at the end of the stream.
fn find_length(input: &mut impl BufRead) -> io::Result<bool> {
    let mut matched = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        for (at, byte) in buffer.iter().enumerate() {
            let byte = byte.to_ascii_lowercase();
            // The word begins with a letter it holds once, so that a failed match starts anew at this byte.
            matched = if byte == LENGTH[matched] { matched + 1 } else { usize::from(byte == LENGTH[0]) };
            if matched == LENGTH.len() {
                input.consume(at + 1);
                return Ok(true);
            }
        }
        let read = buffer.len();
        input.consume(read);
    }
}

/// The length after `Content-Length:`, once the rest of its header has been read.
fn rest_of_header(input: &mut impl BufRead) -> io::Result<Option<usize>> {
    let mut line = Vec::new();
    input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)?;
    let Ok(length) = parse(&line) else { return Ok(None) };
    loop {
        line.clear();
        input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)?;
        if line.trim_ascii().is_empty() {
            return Ok(Some(length));
        }
    }
}

/// Writes `message`.
///
/// # Errors
/// If the stream takes no more.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}
