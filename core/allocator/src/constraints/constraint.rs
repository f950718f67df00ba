//! One constraint: a selector of an attribute of the agent and a predicate.

use std::fmt;

use messages::v1;
use messages::v1::scheduler::attribute_constraint::{predicate, selector};
use messages::v1::scheduler::{AttributeConstraint, attribute_constraint};

use super::pattern::{InvalidPattern, Pattern, PatternLimits};
use selector::PseudoattributeType;

/// The attributes of an agent that constraints can select.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AgentAttributes {
    pub hostname: Box<str>,
    pub region: Option<Box<str>>,
    pub zone: Option<Box<str>>,
    pub attributes: Vec<v1::Attribute>,
}

impl AgentAttributes {
    pub fn from_info(info: &v1::AgentInfo) -> Self {
        let fault_domain = info.domain.as_deref().and_then(|domain| domain.fault_domain.as_deref());
        AgentAttributes {
            hostname: info.hostname.as_str().into(),
            region: fault_domain.map(|domain| domain.region.name.as_str().into()),
            zone: fault_domain.map(|domain| domain.zone.name.as_str().into()),
            attributes: info.attributes.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidConstraint {
    #[error("Unknown pseudoattribute type")]
    UnknownPseudoattribute,
    #[error(
        "Exactly one of 'AttributeConstraint::Selector::name' or \
         'AttributeConstraint::Selector::pseudoattribute_type' must be set"
    )]
    NoSelector,
    #[error("Unknown predicate type")]
    NoPredicate,
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
}

#[derive(Debug)]
pub(crate) struct Constraint {
    selector: Selector,
    predicate: Predicate,
}

#[derive(Debug)]
enum Selector {
    Attribute(Box<str>),
    Hostname,
    Region,
    Zone,
}

#[derive(Debug)]
enum Predicate {
    Exists,
    NotExists,
    Equals(Box<str>),
    NotEquals(Box<str>),
    Matches(Pattern),
    NotMatches(Pattern),
}

/// The value that a selector finds.
enum SelectedValue<'a> {
    Nothing,
    Text(&'a str),
    /// An attribute that is not a text; every text predicate holds for it, as in Mesos.
    Other,
}

impl Constraint {
    /// Compiles a constraint.
    ///
    /// # Errors
    /// Returns why the constraint cannot be evaluated.
    pub fn new(constraint: &AttributeConstraint, limits: PatternLimits) -> Result<Self, InvalidConstraint> {
        Ok(Constraint {
            selector: Selector::new(&constraint.selector)?,
            predicate: Predicate::new(&constraint.predicate, limits)?,
        })
    }

    pub fn holds_for(&self, agent: &AgentAttributes) -> bool {
        self.predicate.holds_for(&self.selector.find(agent))
    }
}

impl Selector {
    fn new(selector: &attribute_constraint::Selector) -> Result<Self, InvalidConstraint> {
        match &selector.selector {
            Some(selector::Selector::AttributeName(name)) => Ok(Selector::Attribute(name.as_str().into())),
            Some(selector::Selector::PseudoattributeType(number)) => match PseudoattributeType::try_from(*number) {
                Ok(PseudoattributeType::Hostname) => Ok(Selector::Hostname),
                Ok(PseudoattributeType::Region) => Ok(Selector::Region),
                Ok(PseudoattributeType::Zone) => Ok(Selector::Zone),
                Ok(PseudoattributeType::Unknown) | Err(_) => Err(InvalidConstraint::UnknownPseudoattribute),
            },
            None => Err(InvalidConstraint::NoSelector),
        }
    }

    /// Returns the selected value. The first of several attributes of one name counts.
    fn find<'a>(&self, agent: &'a AgentAttributes) -> SelectedValue<'a> {
        let text = match self {
            Selector::Attribute(name) => {
                return match agent.attributes.iter().find(|attribute| *attribute.name == **name) {
                    None => SelectedValue::Nothing,
                    Some(v1::Attribute { text: Some(text), r#type, .. }) if *r#type == v1::value::Type::Text as i32 => {
                        SelectedValue::Text(&text.value)
                    }
                    Some(_) => SelectedValue::Other,
                };
            }
            Selector::Hostname => Some(&agent.hostname),
            Selector::Region => agent.region.as_ref(),
            Selector::Zone => agent.zone.as_ref(),
        };
        text.map_or(SelectedValue::Nothing, |text| SelectedValue::Text(text))
    }
}

impl Predicate {
    fn new(predicate: &attribute_constraint::Predicate, limits: PatternLimits) -> Result<Self, InvalidConstraint> {
        use predicate::Predicate as Message;
        Ok(match &predicate.predicate {
            Some(Message::Exists(_)) => Predicate::Exists,
            Some(Message::NotExists(_)) => Predicate::NotExists,
            Some(Message::TextEquals(equals)) => Predicate::Equals(equals.value.as_str().into()),
            Some(Message::TextNotEquals(equals)) => Predicate::NotEquals(equals.value.as_str().into()),
            Some(Message::TextMatches(matches)) => Predicate::Matches(Pattern::new(&matches.regex, limits)?),
            Some(Message::TextNotMatches(matches)) => Predicate::NotMatches(Pattern::new(&matches.regex, limits)?),
            None => return Err(InvalidConstraint::NoPredicate),
        })
    }

    fn holds_for(&self, found: &SelectedValue<'_>) -> bool {
        match (self, found) {
            (Predicate::Exists, found) => !matches!(found, SelectedValue::Nothing),
            (Predicate::NotExists, found) => matches!(found, SelectedValue::Nothing),
            (_, SelectedValue::Other) => true,
            (Predicate::Equals(_) | Predicate::Matches(_), SelectedValue::Nothing) => false,
            (Predicate::NotEquals(_) | Predicate::NotMatches(_), SelectedValue::Nothing) => true,
            (Predicate::Equals(text), SelectedValue::Text(found)) => **text == **found,
            (Predicate::NotEquals(text), SelectedValue::Text(found)) => **text != **found,
            (Predicate::Matches(pattern), SelectedValue::Text(found)) => pattern.matches(found),
            (Predicate::NotMatches(pattern), SelectedValue::Text(found)) => !pattern.matches(found),
        }
    }
}

/// The constraint in words: `attribute 'rack' matches 'r[12]'`.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Attribute(name) => write!(f, "attribute '{name}' "),
            Selector::Hostname => f.write_str("hostname "),
            Selector::Region => f.write_str("region "),
            Selector::Zone => f.write_str("zone "),
        }?;
        match &self.predicate {
            Predicate::Exists => f.write_str("exists"),
            Predicate::NotExists => f.write_str("does not exist"),
            Predicate::Equals(text) => write!(f, "is '{text}'"),
            Predicate::NotEquals(text) => write!(f, "is not '{text}'"),
            Predicate::Matches(pattern) => write!(f, "matches '{}'", pattern.text()),
            Predicate::NotMatches(pattern) => write!(f, "does not match '{}'", pattern.text()),
        }
    }
}
