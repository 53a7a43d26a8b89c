//! How much memory the process has, and how much there is for it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::param::page_size;
use rustix::system::sysinfo;

use super::hub::Hub;

/// How often to look, while there is plenty and while there is not.
const CALM: Duration = Duration::from_millis(500);
const WATCHFUL: Duration = Duration::from_millis(100);

/// Tells the core how much memory the process has, for ever.
pub(super) async fn watch(hub: Arc<Hub>) {
    let available = available();
    // Where the system does not say, there is nothing to go by.
    while let Some(used) = resident() {
        hub.memory(used, available);
        let is_calm = used < available / 2;
        tokio::time::sleep(if is_calm { CALM } else { WATCHFUL }).await;
    }
}

/// What the process has in memory, in bytes.
fn resident() -> Option<usize> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages = statm.split(' ').nth(1)?.parse::<usize>().ok()?;
    Some(pages.saturating_mul(page_size()))
}

/// What the process may have: three quarters of what its service or container gets, or of all there
/// is.
fn available() -> usize {
    let system = sysinfo();
    let all = (system.totalram as usize).saturating_mul(system.mem_unit as usize);
    let granted = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| granted(&text));
    granted.unwrap_or(usize::MAX).min(all) / 4 * 3
}

/// The least that one of the control groups around the process may have.
fn granted(cgroups: &str) -> Option<usize> {
    let group = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(group);
    let limits = folder.ancestors().map(|folder| folder.join("memory.max"));
    limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_much_there_is() {
        assert!(resident().is_some_and(|used| used > page_size() && used < available()));
    }
}
