//! What a benchmark ran on.

use serde::Serialize;

/// The machine, and how busy it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) processors: usize,
    /// In MiB.
    pub(super) memory: u64,
    pub(super) kernel: String,
    /// The mean number of programs that wanted to run in the minute before the first run; 0 is a quiet machine.
    pub(super) load: String,
}

impl Machine {
    /// This one. What it does not tell is left empty.
    pub(super) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kibibytes = memory.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: kibibytes.unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split_whitespace().next().unwrap_or_default().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor, processors, memory, kernel, load } = self;
        write!(
            f,
            "{processor}, {processors} processors, {memory} MiB, Linux {kernel}; load before the first run: {load}."
        )
    }
}
