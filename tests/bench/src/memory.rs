//! The process's memory.

use anyhow::Context as _;

/// The most memory that was resident at once since the start, as Linux tells
/// it (`VmHWM`); elsewhere it is not known.
pub(crate) fn peak() -> String {
    kilobytes("VmHWM:").map_or_else(|| "not known".to_owned(), |kb| format!("{} MB", kb / 1024))
}

/// The memory that is resident now, in bytes, as Linux tells it.
///
/// # Errors
/// Where Linux does not.
pub(crate) fn resident() -> anyhow::Result<u64> {
    let kilobytes = kilobytes("VmRSS:");
    let kilobytes = kilobytes.context("only Linux tells how much memory is resident")?;
    Ok(kilobytes * 1024)
}

fn kilobytes(of: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let told = status.lines().find_map(|line| line.strip_prefix(of))?;
    told.trim().strip_suffix(" kB")?.parse().ok()
}
