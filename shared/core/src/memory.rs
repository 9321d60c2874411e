//! How much memory this process may take: what a function was given, what its container is limited to, what the machine
//! has free.

use std::fs;

/// In MiB: Lambda tells it so (its developer guide, "Defined runtime environment variables"), and so does Fn.
const OF_FUNCTIONS: [&str; 2] = ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "FN_MEMORY"];

/// The bytes that this process may take of memory, as far as anybody says. What a function was given is what it gets.
/// Otherwise the least of what its groups of processes are limited to and what is free; this changes while it runs, so ask
/// once.
pub(crate) fn of_this_process() -> Option<usize> {
    let given = OF_FUNCTIONS.into_iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    match given.and_then(|mebibytes: usize| mebibytes.checked_mul(1 << 20)) {
        Some(given) => Some(given),
        None => {
            let read = |path: &str| fs::read_to_string(path).ok();
            let free = read("/proc/meminfo").and_then(|text| available(&text));
            let groups = read("/proc/self/cgroup").unwrap_or_default();
            limit_files(&groups).filter_map(|path| limit(&read(&path)?)).chain(free).min()
        }
    }
}

/// What the kernel takes to be free for a new process (proc(5), `MemAvailable`).
fn available(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()?.checked_mul(1 << 10)
}

/// Where the limits of the groups are told that this process is in (cgroups(7)): of each version's, by itself and by the
/// groups around it. In a container the path that the kernel tells is the host's, and the container's own is the root.
fn limit_files(groups: &str) -> impl Iterator<Item = String> {
    groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            match controllers {
                "" => Some(("/sys/fs/cgroup", path, "memory.max")),
                _ if controllers.split(',').any(|controller| controller == "memory") => {
                    Some(("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
                }
                _ => None,
            }
        })
        .flat_map(|(root, path, file)| {
            let path = path.trim_end_matches('/');
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            ends.map(|end| format!("{root}{}/{file}", path.get(..end).unwrap_or_default()))
                .collect::<Vec<_>>()
        })
}

/// A group's limit, if it has one. The first version tells that it has none by a number that no machine has; the least of
/// all is what counts.
fn limit(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: what a process may take is read as the kernel tells it.
    #[test]
    fn what_is_free_is_read_in_bytes() {
        let text = "MemTotal:       24687112 kB\nMemFree:        1204 kB\nMemAvailable:   20001144 kB\n";
        assert_eq!(available(text), Some(20_001_144 << 10));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
    }

    /// Promise 6: a container's limit counts, of whichever version its groups are, and wherever it is set.
    #[test]
    fn limits_are_looked_for_at_each_group_and_those_around_it() {
        let files = |groups: &str| limit_files(groups).collect::<Vec<_>>();
        assert_eq!(
            files("0::/user.slice/app\n"),
            [
                "/sys/fs/cgroup/memory.max",
                "/sys/fs/cgroup/user.slice/memory.max",
                "/sys/fs/cgroup/user.slice/app/memory.max"
            ]
        );
        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        let first = files("5:devices:/\n4:cpu,memory:/job\n1:name=systemd:/\n");
        assert_eq!(
            first,
            [
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes"
            ]
        );
        assert_eq!(files("broken\n"), Vec::<String>::new());
        assert_eq!(limit("536870912\n"), Some(512 << 20));
        assert_eq!(limit("max\n"), None);
    }
}
