//! Collections of resources and their algebra: containment, addition and subtraction, as in Mesos' `Resources`.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::Arc;

use ids::Role;

use crate::Resource;

/// A multiset of resources in canonical form: sorted by descriptor, with mergeable entries merged and no empty entry. A
/// clone shares all memory until one side changes.
#[derive(Clone, Default)]
pub struct Resources(Option<Arc<Vec<Resource>>>);

impl Resources {
    /// Up to this many entries are cheaper to add one by one than to sort.
    const FEW: usize = 4;

    /// Creates an empty collection.
    pub fn new() -> Self {
        Resources::default()
    }

    /// Returns whether the collection is empty.
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Iterates over the entries in canonical order.
    pub fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.entries().iter()
    }

    pub(crate) fn entries(&self) -> &[Resource] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn entries_mut(&mut self) -> &mut Vec<Resource> {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Returns the positions of the entries with the same descriptor, which are neighbours.
    fn same_descriptor(&self, resource: &Resource) -> std::ops::Range<usize> {
        let entries = self.entries();
        let begin = entries.partition_point(|own| own.cmp_descriptor(resource) == Ordering::Less);
        let same = entries[begin..].iter().take_while(|own| own.cmp_descriptor(resource) == Ordering::Equal).count();
        begin..begin + same
    }

    /// Returns whether each entry of `other` merges with the entry at the same position, as in sums over similar
    /// agents.
    fn merges_in_place(&self, other: &Resources) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other)
                .all(|(own, other)| own.cmp_descriptor(other) == Ordering::Equal && own.merges_with(other))
    }

    /// Returns the canonical form of a list. The time grows with the length times its logarithm.
    fn from_unsorted(mut entries: Vec<Resource>) -> Resources {
        entries.retain(|resource| !resource.is_empty());
        entries.sort_by(Resource::cmp_position);
        let mut merged: Vec<Resource> = Vec::with_capacity(entries.len());
        let mut rest = entries.into_iter().peekable();
        while let Some(mut first) = rest.next() {
            if first.is_shared() || first.is_exclusive() {
                while let Some(same) =
                    rest.next_if(|next| first.is_shared() && first.cmp_position(next) == Ordering::Equal)
                {
                    first.merge(&same);
                }
            } else {
                let mut values = Vec::new();
                while let Some(same) = rest.next_if(|next| first.cmp_descriptor(next) == Ordering::Equal) {
                    values.push(same.value);
                }
                first.value.add_all(&values);
            }
            merged.push(first);
        }
        Resources((!merged.is_empty()).then(|| Arc::new(merged)))
    }

    /// Adds one entry. An empty one is ignored.
    pub fn add(&mut self, resource: Resource) {
        if resource.is_empty() {
            return;
        }
        let same = self.same_descriptor(&resource);
        let entries = self.entries_mut();
        let mergeable = entries[same.clone()].iter_mut().find(|own| own.merges_with(&resource));
        match mergeable {
            Some(own) => own.merge(&resource),
            None => {
                let position = entries[same.clone()].partition_point(|own| own.value < resource.value);
                entries.insert(same.start + position, resource);
            }
        }
    }

    /// Subtracts one entry, as far as it is contained; the rest is ignored.
    pub fn subtract(&mut self, resource: &Resource) {
        if resource.is_empty() {
            return;
        }
        let same = self.same_descriptor(resource);
        let Some(offset) = self.entries()[same.clone()].iter().position(|own| own.splits_by(resource)) else {
            return;
        };
        let index = same.start + offset;
        let entries = self.entries_mut();
        let own = &mut entries[index];
        if own.is_shared() {
            own.copies = own.copies.saturating_sub(resource.copies);
        } else {
            own.value.subtract(&resource.value);
        }
        if own.is_empty() {
            entries.remove(index);
        }
    }

    /// Returns whether `other` can be subtracted as a whole. Two identical exclusive disks are contained only if there
    /// are two of them; Mesos compares them one by one.
    pub fn contains(&self, other: &Resources) -> bool {
        self.is_identical(other)
            || other.iter().all(|wanted| {
                let own = &self.entries()[self.same_descriptor(wanted)];
                if wanted.is_exclusive() && !wanted.is_shared() {
                    let equal =
                        |entries: &[Resource]| entries.iter().filter(|entry| entry.value == wanted.value).count();
                    equal(own) >= equal(&other.entries()[other.same_descriptor(wanted)])
                } else {
                    own.iter().any(|own| own.contains(wanted))
                }
            })
    }

    /// Returns whether `of` contains all of these.
    pub fn is_subset(&self, of: &Resources) -> bool {
        of.contains(self)
    }

    /// Returns whether one entry contains `resource`.
    pub fn contains_resource(&self, resource: &Resource) -> bool {
        self.entries()[self.same_descriptor(resource)].iter().any(|own| own.contains(resource))
    }

    /// Returns whether both share the same memory: a cheap check that nothing has changed.
    pub fn is_identical(&self, other: &Resources) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }

    /// Returns the same resources with another allocation. Entries of one common allocation stay in order.
    pub(crate) fn with_allocation(&self, role: Option<&Role>) -> Resources {
        let Some(first) = self.entries().first() else { return Resources::new() };
        let set = |resource: &Resource| Resource { allocation: role.cloned(), ..resource.clone() };
        if self.iter().any(|resource| resource.allocation != first.allocation) {
            self.iter().map(set).collect()
        } else if first.allocation.as_ref() == role {
            self.clone()
        } else {
            Resources(Some(Arc::new(self.iter().map(set).collect())))
        }
    }

    /// Returns the entries, each changed; entries that become mergeable are merged.
    pub(crate) fn map(&self, change: impl Fn(&mut Resource)) -> Resources {
        self.iter()
            .map(|resource| {
                let mut changed = resource.clone();
                change(&mut changed);
                changed
            })
            .collect()
    }

    /// Returns the entries for which `keep` holds. They are in canonical form, as the collection is.
    pub fn filter(&self, keep: impl Fn(&Resource) -> bool) -> Resources {
        if self.iter().all(&keep) {
            return self.clone();
        }
        let kept: Vec<Resource> = self.iter().filter(|resource| keep(resource)).cloned().collect();
        Resources((!kept.is_empty()).then(|| Arc::new(kept)))
    }
}

impl PartialEq for Resources {
    fn eq(&self, other: &Self) -> bool {
        self.is_identical(other) || self.entries() == other.entries()
    }
}

impl Eq for Resources {}

impl FromIterator<Resource> for Resources {
    fn from_iter<I: IntoIterator<Item = Resource>>(entries: I) -> Self {
        Resources::from_unsorted(entries.into_iter().collect())
    }
}

impl Extend<Resource> for Resources {
    fn extend<I: IntoIterator<Item = Resource>>(&mut self, entries: I) {
        let mut entries = entries.into_iter();
        // A few entries are added one by one. More of them are added all at once, since each would move half of the
        // others.
        for resource in entries.by_ref().take(Self::FEW) {
            self.add(resource);
        }
        let rest: Vec<Resource> = entries.collect();
        if !rest.is_empty() {
            *self = Resources::from_unsorted(self.iter().cloned().chain(rest).collect());
        }
    }
}

impl From<Resource> for Resources {
    fn from(resource: Resource) -> Self {
        Resources::from_iter([resource])
    }
}

impl<'a> IntoIterator for &'a Resources {
    type Item = &'a Resource;
    type IntoIter = std::slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl AddAssign<&Resources> for Resources {
    fn add_assign(&mut self, other: &Resources) {
        if self.is_empty() {
            self.clone_from(other);
        } else if self.merges_in_place(other) {
            self.entries_mut().iter_mut().zip(other).for_each(|(own, other)| own.merge(other));
        } else {
            self.extend(other.iter().cloned());
        }
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Resources) {
        *self += &other;
    }
}

impl SubAssign<&Resources> for Resources {
    fn sub_assign(&mut self, other: &Resources) {
        if self.is_identical(other) {
            *self = Resources::new();
        }
        other.iter().for_each(|resource| self.subtract(resource));
    }
}

impl SubAssign for Resources {
    fn sub_assign(&mut self, other: Resources) {
        *self -= &other;
    }
}

impl Add<&Resources> for &Resources {
    type Output = Resources;

    fn add(self, other: &Resources) -> Resources {
        let mut sum = self.clone();
        sum += other;
        sum
    }
}

impl Sub<&Resources> for &Resources {
    type Output = Resources;

    fn sub(self, other: &Resources) -> Resources {
        let mut rest = self.clone();
        rest -= other;
        rest
    }
}

impl Add for Resources {
    type Output = Resources;

    fn add(mut self, other: Resources) -> Resources {
        self += &other;
        self
    }
}

impl Sub for Resources {
    type Output = Resources;

    fn sub(mut self, other: Resources) -> Resources {
        self -= &other;
        self
    }
}
