//! `--resources`: `cpus:2;mem(role):1024;ports:[31000-32000]`, or a JSON array of resources.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::value;
use wire::Limits;

use crate::proto::ranges_to_proto;
use crate::value_parser::{self, Parsed};
use crate::{Error, Name, Resource, Resources, roles};

impl Resources {
    /// Parses the text of `--resources`. Resources that name no role get `default_role`.
    ///
    /// # Errors
    ///
    /// Returns the reason, in Mesos' words, if the text has neither form or describes an invalid resource.
    pub fn parse(text: &str, default_role: &str) -> Result<Self, Error> {
        // As in Mesos, a text that is no JSON array is read as the short form.
        let given = match serde_json::from_str::<Vec<serde_json::Value>>(text) {
            Ok(array) => json(&array, default_role)?,
            Err(_) => short(text, default_role)?,
        };
        let resources = given.iter().map(Resource::from_proto).collect::<Result<Resources, Error>>()?;
        check_command_line(&resources)?;
        Ok(resources)
    }
}

/// Refuses resources that only programs may create.
fn check_command_line(resources: &Resources) -> Result<(), Error> {
    let mut kinds: BTreeMap<&Name, u8> = BTreeMap::new();
    for resource in resources {
        if resource.is_persistent_volume() {
            return Err(Error::PersistentVolumeAtCommandLine);
        }
        if resource.is_revocable() {
            return Err(Error::RevocableAtCommandLine);
        }
        if resource.is_dynamically_reserved() {
            return Err(Error::DynamicReservationAtCommandLine);
        }
        let kind = resource.value().kind();
        if *kinds.entry(resource.name()).or_insert(kind) != kind {
            return Err(Error::MixedTypes(resource.name().to_string()));
        }
    }
    Ok(())
}

#[allow(deprecated, reason = "a resource that names no role in either format is the default role's")]
fn json(array: &[serde_json::Value], default_role: &str) -> Result<Vec<v1::Resource>, Error> {
    let limits = Limits::default();
    let read = |value: &serde_json::Value| {
        let mut resource: v1::Resource = wire::json::decode(value.to_string().as_bytes(), &limits)
            .map_err(|error| Error::Json(error.to_string()))?;
        if resource.role.is_none() && resource.reservations.is_empty() {
            resource.role = Some(default_role.to_owned());
        }
        Ok(resource)
    };
    array.iter().map(read).collect()
}

fn short(text: &str, default_role: &str) -> Result<Vec<v1::Resource>, Error> {
    value_parser::tokens(text, ";").map(|token| entry(token, default_role)).collect()
}

fn entry(token: &str, default_role: &str) -> Result<v1::Resource, Error> {
    let parts: Vec<&str> = value_parser::tokens(token, ":").collect();
    let [key, value] = parts.as_slice() else { return Err(Error::Colon(token.to_owned())) };
    let (name, role) = match key.split_once('(') {
        None => (key.trim(), default_role),
        Some((name, rest)) => {
            let closed = rest.split_once(')').filter(|_| !name.contains(')'));
            let (role, _) = closed.ok_or_else(|| Error::Parentheses(token.to_owned()))?;
            (name.trim(), role.trim())
        }
    };
    resource(name, value, role)
}

#[allow(deprecated, reason = "one role per resource is what the text form can say")]
fn resource(name: &str, text: &str, role: &str) -> Result<v1::Resource, Error> {
    let parsed = value_parser::parse(text).map_err(|reason| Error::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        reason: reason.to_string(),
    })?;
    let mut resource = v1::Resource { name: name.to_owned(), ..Default::default() };
    match parsed {
        Parsed::Scalar(value) => {
            resource.r#type = value::Type::Scalar as i32;
            resource.scalar = Some(value::Scalar { value });
        }
        Parsed::Ranges(ranges) => {
            resource.r#type = value::Type::Ranges as i32;
            resource.ranges = Some(Box::new(ranges_to_proto(&ranges)));
        }
        Parsed::Set(item) => {
            resource.r#type = value::Type::Set as i32;
            resource.set = Some(Box::new(value::Set { item }));
        }
        Parsed::Text(_) => return Err(Error::TextValue { name: name.to_owned(), value: text.to_owned() }),
    }
    resource.role = (role != roles::ANY).then(|| role.to_owned());
    Ok(resource)
}
