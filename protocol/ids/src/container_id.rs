//! The id of a container, which may be nested in other containers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messages::v1;

/// The id of a container: the values of its ancestors and its own, the outermost first.
///
/// The text form is that of Mesos (`stringify(ContainerID)`): `parent.child`. This form is printed, checkpointed and
/// compared, so a parent sorts before its children. A value itself has no period (`validation::container_id`). The
/// container of an executor is top-level, and its value is a UUID that the agent mints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(Arc<str>);

/// The reason for which a `v1::ContainerId` is not the id of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContainerId {
    /// There are more than [`ContainerId::MAX_DEPTH`] values.
    #[error("the container is nested too deeply: at most {} levels are possible", ContainerId::MAX_DEPTH)]
    TooDeep,
    /// A value is empty or has a period, which separates parents and children.
    #[error("a value of a container id must not be empty and must not have a period")]
    Value,
}

impl ContainerId {
    /// The highest number of values in an id, the outermost included.
    pub const MAX_DEPTH: usize = 32;

    /// Returns the id with this text form, e.g. the one in a checkpoint.
    pub fn new(text: impl AsRef<str>) -> Self {
        ContainerId(Arc::from(text.as_ref()))
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id of a container inside this one.
    ///
    /// # Errors
    /// The value is empty or has a period, or the container would be nested too deeply.
    pub fn child(&self, value: &str) -> Result<Self, InvalidContainerId> {
        check_value(value)?;
        if self.depth() >= Self::MAX_DEPTH {
            return Err(InvalidContainerId::TooDeep);
        }
        Ok(ContainerId::new(format!("{}.{value}", self.0)))
    }

    /// Returns the last value: the container's name inside its parent.
    pub fn value(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(_, value)| value)
    }

    /// Returns the container that this one is nested in; `None` for a top-level one.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('.').map(|(parent, _)| ContainerId::new(parent))
    }

    /// Returns the top-level container that this one is in, or that it is.
    pub fn root(&self) -> Self {
        match self.0.split_once('.') {
            None => self.clone(),
            Some((root, _)) => ContainerId::new(root),
        }
    }

    /// Returns the values, the outermost first.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Returns the number of values: 1 for a top-level container.
    pub fn depth(&self) -> usize {
        self.values().count()
    }

    /// Returns whether this container is inside `ancestor`, at any depth.
    pub fn is_inside(&self, ancestor: &ContainerId) -> bool {
        self.0.strip_prefix(ancestor.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Returns the relative path that nests the values, with `separator` in between: `parent/<separator>/child`, as
    /// Mesos' `containerizer::paths::buildPath`.
    pub fn path(&self, separator: impl AsRef<Path>) -> PathBuf {
        let mut path = PathBuf::new();
        for (at, value) in self.values().enumerate() {
            if at > 0 {
                path.push(separator.as_ref());
            }
            path.push(value);
        }
        path
    }

    /// Returns the message that describes this id.
    pub fn to_proto(&self) -> v1::ContainerId {
        v1::ContainerId::from(self)
    }
}

fn check_value(value: &str) -> Result<(), InvalidContainerId> {
    match value {
        "" => Err(InvalidContainerId::Value),
        value if value.contains('.') => Err(InvalidContainerId::Value),
        _ => Ok(()),
    }
}

impl TryFrom<&v1::ContainerId> for ContainerId {
    type Error = InvalidContainerId;

    fn try_from(id: &v1::ContainerId) -> Result<Self, InvalidContainerId> {
        let mut values = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            check_value(&id.value)?;
            if values.len() >= Self::MAX_DEPTH {
                return Err(InvalidContainerId::TooDeep);
            }
            values.push(id.value.as_str());
            next = id.parent.as_deref();
        }
        values.reverse();
        Ok(ContainerId::new(values.join(".")))
    }
}

impl From<&ContainerId> for v1::ContainerId {
    fn from(id: &ContainerId) -> Self {
        let nest = |parent: Option<v1::ContainerId>, value: &str| {
            Some(v1::ContainerId { value: value.to_owned(), parent: parent.map(Box::new) })
        };
        id.values().fold(None, nest).unwrap_or_default()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for ContainerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(values: &[&str]) -> v1::ContainerId {
        values
            .iter()
            .fold(None, |parent: Option<v1::ContainerId>, value| {
                Some(v1::ContainerId { value: (*value).to_owned(), parent: parent.map(Box::new) })
            })
            .unwrap()
    }

    #[test]
    fn text_and_message_round_trip() {
        for values in [&["a"][..], &["a", "b"], &["a", "b", "c-1"]] {
            let id = ContainerId::try_from(&proto(values)).unwrap();
            assert_eq!(id.as_str(), values.join("."));
            assert_eq!(id.to_proto(), proto(values));
            assert_eq!(id.values().collect::<Vec<_>>(), values);
            assert_eq!((id.value(), id.depth()), (*values.last().unwrap(), values.len()));
        }
    }

    #[test]
    fn a_child_has_a_parent_and_a_root() {
        let root = ContainerId::new("r");
        let child = root.child("c").unwrap();
        let grandchild = child.child("g").unwrap();
        assert_eq!((root.parent(), child.parent()), (None, Some(root.clone())));
        assert_eq!((grandchild.root(), root.root()), (root.clone(), root.clone()));
        assert!(grandchild.is_inside(&root) && grandchild.is_inside(&child));
        assert!(!root.is_inside(&root) && !ContainerId::new("rc").is_inside(&root));
        assert!(root < child && child < grandchild);
        assert_eq!(grandchild.path("containers"), Path::new("r/containers/c/containers/g"));
        assert_eq!(root.path("containers"), Path::new("r"));
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let values = vec!["v"; ContainerId::MAX_DEPTH];
        let deepest = ContainerId::try_from(&proto(&values)).unwrap();
        assert_eq!(deepest.child("v"), Err(InvalidContainerId::TooDeep));
        let deeper = vec!["v"; ContainerId::MAX_DEPTH + 1];
        assert_eq!(ContainerId::try_from(&proto(&deeper)), Err(InvalidContainerId::TooDeep));
        for value in ["", ".", "a.b"] {
            assert_eq!(ContainerId::new("r").child(value), Err(InvalidContainerId::Value));
            assert_eq!(ContainerId::try_from(&proto(&["r", value])), Err(InvalidContainerId::Value));
        }
    }
}
