//! Which project of a range belongs to which directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The projects of `--xfs_project_range`. A project belongs to its directories as long as one of them exists, as in Mesos:
/// a file that stays with the project of a former directory would count for the next one.
#[derive(Debug, Default)]
pub(crate) struct ProjectIds {
    /// Inclusive ranges.
    range: Vec<(u32, u32)>,
    used: BTreeMap<u32, BTreeSet<PathBuf>>,
}

impl ProjectIds {
    pub(crate) fn new(range: Vec<(u32, u32)>) -> Self {
        ProjectIds { range, used: BTreeMap::new() }
    }

    /// Returns the number of projects in the range.
    pub(crate) fn total(&self) -> u64 {
        self.range.iter().map(|(first, last)| u64::from(last.saturating_sub(*first)) + 1).sum()
    }

    /// Gives a free project to a directory; `None` if all are in use.
    pub(crate) fn take(&mut self, directory: &Path) -> Option<u32> {
        let free = self.range.iter().find_map(|(first, last)| {
            // The used projects of a range are ordered, so that the first gap is free.
            let used = self.used.range(first..=last).map(|(id, _)| *id);
            let behind = used.zip(*first..=*last).take_while(|(used, expected)| used == expected).last();
            match behind {
                None => Some(*first),
                Some((id, _)) => id.checked_add(1).filter(|next| next <= last),
            }
        })?;
        self.adopt(free, directory);
        Some(free)
    }

    /// Notes that a directory has a project, which may be out of the range after a change of the flag.
    pub(crate) fn adopt(&mut self, project: u32, directory: &Path) {
        self.used.entry(project).or_default().insert(directory.to_owned());
    }

    /// Returns whether the project belongs to this directory, or to none.
    pub(crate) fn may_belong_to(&self, project: u32, directory: &Path) -> bool {
        self.used.get(&project).is_none_or(|directories| directories.contains(directory))
    }

    /// Frees the projects whose directories do not exist any more, and returns them.
    pub(crate) fn reclaim(&mut self, exists: impl Fn(&Path) -> bool) -> Vec<u32> {
        for directories in self.used.values_mut() {
            directories.retain(|directory| exists(directory));
        }
        let free: Vec<u32> =
            self.used.iter().filter(|(_, left)| left.is_empty()).map(|(project, _)| *project).collect();
        free.iter().for_each(|project| drop(self.used.remove(project)));
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_reused_when_their_directories_are_gone() {
        let mut ids = ProjectIds::new(vec![(5, 6), (9, 9)]);
        let path = |name: &str| PathBuf::from(name);
        assert_eq!(ids.total(), 3);
        ids.adopt(6, &path("recovered"));
        ids.adopt(77, &path("of another range"));
        let taken: Vec<_> = ["a", "b", "c"].iter().map(|name| ids.take(&path(name))).collect();
        assert_eq!(taken, [Some(5), Some(9), None]);
        ids.adopt(5, &path("second"));
        assert!(
            ids.may_belong_to(5, &path("a")) && !ids.may_belong_to(5, &path("b")) && ids.may_belong_to(1, &path("b"))
        );
        assert_eq!(ids.reclaim(|path| path != Path::new("a")), [0u32; 0], "it has another directory");
        assert_eq!(ids.reclaim(|path| path != Path::new("recovered")), [6]);
        assert_eq!(ids.take(&path("d")), Some(6));
        assert_eq!(ids.take(&path("e")), None);
    }

    #[test]
    fn the_last_project_of_all_can_be_used() {
        let mut ids = ProjectIds::new(vec![(u32::MAX, u32::MAX)]);
        assert_eq!(ids.take(Path::new("a")), Some(u32::MAX));
        assert_eq!(ids.take(Path::new("b")), None);
    }
}
