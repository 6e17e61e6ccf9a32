//! The process's peak memory.

/// The most memory that was resident at once since the start, as Linux tells
/// it (`VmHWM`); elsewhere it is not known.
pub(crate) fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map_or_else(|| "not known".to_owned(), |kb| format!("{} MB", kb / 1024))
}
