//! The attributes of an agent: `rack:abc;zone:west;level:10;keys:[1000-1500]`.

use messages::v1;
use messages::v1::value;

use crate::proto::ranges_to_proto;
use crate::value_parser::{self, Parsed};

/// The reason for which a text is not a list of attributes. Mesos ends the process with such a text; Tepui reports the
/// error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidAttribute {
    #[error("Invalid attribute key:value pair '{0}'")]
    Pair(String),
    #[error("Failed to parse attribute {name} text {text} error {reason}")]
    Value { name: String, text: String, reason: String },
    #[error("Bad type for attribute {name} text {text} type SET")]
    Set { name: String, text: String },
}

/// Parses the text of `--attributes`.
///
/// # Errors
///
/// The error names the first attribute that cannot be read.
pub fn parse(text: &str) -> Result<Vec<v1::Attribute>, InvalidAttribute> {
    value_parser::tokens(text, ";\n").map(attribute).collect()
}

fn attribute(token: &str) -> Result<v1::Attribute, InvalidAttribute> {
    let (name, text) = token
        .split_once(':')
        .filter(|(name, text)| !name.is_empty() && !text.is_empty())
        .ok_or_else(|| InvalidAttribute::Pair(token.to_owned()))?;
    let parsed = value_parser::parse(text).map_err(|reason| InvalidAttribute::Value {
        name: name.to_owned(),
        text: text.to_owned(),
        reason: reason.to_string(),
    })?;
    let mut attribute = v1::Attribute { name: name.to_owned(), ..Default::default() };
    match parsed {
        Parsed::Scalar(value) => {
            attribute.r#type = value::Type::Scalar as i32;
            attribute.scalar = Some(value::Scalar { value });
        }
        Parsed::Ranges(ranges) => {
            attribute.r#type = value::Type::Ranges as i32;
            attribute.ranges = Some(Box::new(ranges_to_proto(&ranges)));
        }
        Parsed::Text(text) => {
            attribute.r#type = value::Type::Text as i32;
            attribute.text = Some(value::Text { value: text });
        }
        Parsed::Set(_) => return Err(InvalidAttribute::Set { name: name.to_owned(), text: text.to_owned() }),
    }
    Ok(attribute)
}
