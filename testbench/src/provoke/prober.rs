//! The program in the sandbox: reads calls, one JSON value a line, does each and writes its error number, 0 for none.

use std::io::{self, BufRead, Write};

use super::call::Call;

/// Serves standard input until its end.
///
/// # Errors
/// If it cannot be read or answered, or holds something else than calls.
pub fn serve() -> io::Result<()> {
    // Modes in calls are meant as they are.
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let call: Call = serde_json::from_str(&line?)?;
        writeln!(out, "{}", call.perform().err().unwrap_or(0))?;
        out.flush()?;
    }
    Ok(())
}
