//! The nodes of masters below the path of a URL: their names and contents.
//!
//! Mesos names them `json.info_0000000131` (JSON of a `MasterInfo`); before 0.24 `info_…` (protobuf), and earlier a
//! bare number (a pid). The master with the lowest number leads. Other children, such as `log_replicas`, are not
//! masters.

use std::cmp::Ordering;

use messages::v1;

use crate::standalone::{InvalidAddress, standalone};

/// The encoding of a member's data, which is the first part of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// `json.info`.
    Json,
    /// `info`.
    Protobuf,
    /// No label.
    Pid,
    /// Another label. The member takes part in the election nevertheless, as in Mesos.
    Other(String),
}

/// A child that takes part in elections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name of the node.
    pub name: String,
    /// The encoding of its data.
    pub label: Label,
    /// The sequence number that ZooKeeper has appended. The member with the lowest one leads.
    pub sequence: i32,
}

/// The reason for which the data of a member cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidMember {
    #[error("{name} is not the JSON of a MasterInfo")]
    Json { name: String, source: wire::BodyError },
    #[error("{name} is not a MasterInfo")]
    Protobuf { name: String, source: wire::DecodeError },
    #[error("{name} does not hold the address of a master")]
    Pid { name: String, source: InvalidAddress },
    #[error("{name} has a label that no master uses")]
    Label { name: String },
}

impl Member {
    /// The prefix of new nodes, to which ZooKeeper appends a number.
    pub const PREFIX: &str = "json.info_";

    /// Parses the name of a child; `None` for a child that is not a member. As in Mesos, the number follows the last
    /// underscore, and the label precedes the first.
    pub fn parse(name: &str) -> Option<Self> {
        let sequence = name.rsplit('_').next()?.parse().ok()?;
        let label = match name.split_once('_').map(|(label, _)| label) {
            None => Label::Pid,
            Some("json.info") => Label::Json,
            Some("info") => Label::Protobuf,
            Some(other) => Label::Other(other.to_owned()),
        };
        Some(Member { name: name.to_owned(), label, sequence })
    }

    /// Returns the member with the lowest number.
    pub fn leader<'a>(children: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        children.into_iter().filter_map(|name| Member::parse(name)).min_by(Member::before)
    }

    fn before(&self, other: &Self) -> Ordering {
        self.sequence.cmp(&other.sequence).then_with(|| self.name.cmp(&other.name))
    }

    /// Decodes the description of the master.
    ///
    /// # Errors
    /// Returns [`InvalidMember`] if the data do not have the encoding of the label.
    pub fn info(&self, data: &[u8]) -> Result<v1::MasterInfo, InvalidMember> {
        let name = || self.name.clone();
        let limits = wire::Limits::default();
        match &self.label {
            Label::Json => wire::decode_as(wire::ContentType::Json, data, &limits)
                .map_err(|source| InvalidMember::Json { name: name(), source }),
            Label::Protobuf => {
                wire::decode(data, &limits).map_err(|source| InvalidMember::Protobuf { name: name(), source })
            }
            Label::Pid => {
                standalone(&String::from_utf8_lossy(data)).map_err(|source| InvalidMember::Pid { name: name(), source })
            }
            Label::Other(_) => Err(InvalidMember::Label { name: name() }),
        }
    }
}

/// Returns the data that a master writes into its node.
pub fn encode_info(info: &v1::MasterInfo) -> Vec<u8> {
    wire::encode_as(wire::ContentType::Json, info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_as_in_mesos() {
        let check = |name: &str, expect: Option<(Label, i32)>| {
            assert_eq!(Member::parse(name).map(|member| (member.label, member.sequence)), expect, "{name}");
        };
        check("json.info_0000000131", Some((Label::Json, 131)));
        check("info_0000000002", Some((Label::Protobuf, 2)));
        check("0000000007", Some((Label::Pid, 7)));
        check("other_0000000001", Some((Label::Other("other".to_owned()), 1)));
        check("log_replicas", None);
        check("tepui", None);
        check("json.info_", None);
        check("", None);
    }

    #[test]
    fn the_lowest_number_leads_whatever_its_label() {
        let children = ["log_replicas", "json.info_0000000009", "info_0000000003", "json.info_0000000010"];
        let children: Vec<String> = children.map(str::to_owned).to_vec();
        assert_eq!(Member::leader(&children).unwrap().name, "info_0000000003");
        assert_eq!(Member::leader(&["log_replicas".to_owned()]), None);
    }

    /// The data that a master of version 1.12 has written.
    const JSON: &str = r#"{"address":{"hostname":"h","ip":"127.0.0.1","port":5050},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"h","id":"3d6ab4be","ip":16777343,"pid":"master@127.0.0.1:5050","port":5050,"version":"1.12.0"}"#;

    #[test]
    fn every_format_is_read() {
        let info = Member::parse("json.info_0000000001").unwrap().info(JSON.as_bytes()).unwrap();
        assert_eq!((info.id.as_str(), info.ip, info.port, info.hostname()), ("3d6ab4be", 16_777_343, 5050, "h"));
        assert_eq!(info.capabilities.len(), 3);
        let binary = Member::parse("info_0000000001").unwrap().info(&wire::encode(&info)).unwrap();
        assert_eq!(binary, info);
        let old = Member::parse("0000000001").unwrap().info(b"master@127.0.0.1:5050").unwrap();
        assert_eq!(old.pid(), "master@127.0.0.1:5050");
    }

    #[test]
    fn written_members_equal_those_of_mesos() {
        let info = Member::parse("json.info_0000000001").unwrap().info(JSON.as_bytes()).unwrap();
        assert_eq!(Member::parse("json.info_0000000001").unwrap().info(&encode_info(&info)).unwrap(), info);
        let written = String::from_utf8(encode_info(&info)).unwrap();
        // The members are the same in any order.
        let sorted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.sort_unstable();
            bytes
        };
        assert_eq!(sorted(&written), sorted(JSON), "{written}");
    }

    #[test]
    fn invalid_data_is_named() {
        let check = |name: &str, data: &[u8]| {
            let error = Member::parse(name).unwrap().info(data).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        };
        check("json.info_0000000001", b"");
        check("json.info_0000000001", b"{\"id\":\"x\"}");
        check("json.info_0000000001", b"[]");
        check("info_0000000001", b"\xff\xff");
        check("0000000001", b"nobody");
        check("other_0000000001", b"{}");
    }
}
