//! Compiles `proto/` twice from one descriptor set: into Rust types (prost) and
//! into the static tables of `schema.rs` that drive JSON and the `required` check.
//!
//! protox parses the files, so a build does not need `protoc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

fn main() {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed=proto");
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort();
    let set = match protox::compile(&files, [root]) {
        Ok(set) => set,
        Err(error) => {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    };
    let index = Index::new(&set);
    let mut config = prost_build::Config::new();
    config.include_file("_modules.rs").btree_map(["."]).enable_type_names();
    for path in index.boxed_fields() {
        config.boxed(path);
    }
    if let Err(error) = config.compile_fds(set.clone()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("schema.rs");
    if let Err(error) = std::fs::write(&out, index.tables()) {
        eprintln!("{}: {error}", out.display());
        std::process::exit(1);
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
}

/// The messages and enums by full name, with the leading dot of descriptors.
struct Index {
    messages: BTreeMap<String, (String, DescriptorProto)>,
    enums: BTreeMap<String, EnumDescriptorProto>,
}

impl Index {
    fn new(set: &FileDescriptorSet) -> Self {
        let mut index = Index { messages: BTreeMap::new(), enums: BTreeMap::new() };
        for file in &set.file {
            let package = file.package().to_owned();
            if package.starts_with("google") {
                continue;
            }
            for message in &file.message_type {
                index.add(&package, &format!(".{package}"), message);
            }
            for e in &file.enum_type {
                index.enums.insert(format!(".{package}.{}", e.name()), e.clone());
            }
        }
        index
    }

    fn add(&mut self, package: &str, scope: &str, message: &DescriptorProto) {
        let full = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add(package, &full, nested);
        }
        for e in &message.enum_type {
            self.enums.insert(format!("{full}.{}", e.name()), e.clone());
        }
        self.messages.insert(full, (package.to_owned(), message.clone()));
    }

    /// Returns the fields to box: an optional message field is boxed unless its message is small (at most two fields,
    /// none of them a message). This keeps a `Resource` or `TaskInfo` at a few machine words instead of kilobytes,
    /// while ids stay inline.
    fn boxed_fields(&self) -> Vec<String> {
        let small = |name: &str| {
            self.messages.get(name).is_some_and(|(_, m)| {
                m.field.len() <= 2
                    && m.field.iter().all(|f| f.r#type() != Type::Message && f.label() != Label::Repeated)
            })
        };
        let mut paths = Vec::new();
        for (name, (_, message)) in &self.messages {
            if message.options.as_ref().is_some_and(|o| o.map_entry()) {
                continue;
            }
            for field in &message.field {
                let plain = field.oneof_index.is_none() && field.label() == Label::Optional;
                if plain && field.r#type() == Type::Message && !small(field.type_name()) {
                    paths.push(format!("{name}.{}", field.name()));
                }
            }
        }
        paths
    }

    /// Returns the messages that may contain a map of messages, at any depth.
    fn with_maps_of_messages(&self) -> BTreeSet<&str> {
        let is_map = |name: &str| {
            self.messages.get(name).is_some_and(|(_, m)| m.options.as_ref().is_some_and(|o| o.map_entry()))
        };
        let has_message_value = |name: &str| {
            self.messages
                .get(name)
                .is_some_and(|(_, entry)| entry.field.iter().any(|f| f.number() == 2 && f.r#type() == Type::Message))
        };
        let mut found = BTreeSet::new();
        // Types refer to each other in cycles, so the search repeats until it finds nothing new.
        loop {
            let before = found.len();
            for (name, (_, message)) in &self.messages {
                let of_messages =
                    message.field.iter().filter(|field| field.r#type() == Type::Message).map(|field| field.type_name());
                if of_messages
                    .into_iter()
                    .any(|inner| found.contains(inner) || (is_map(inner) && has_message_value(inner)))
                {
                    found.insert(name.as_str());
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    fn tables(&self) -> String {
        let mut out = String::new();
        let with_maps = self.with_maps_of_messages();
        for (name, e) in &self.enums {
            let _ = writeln!(
                out,
                "pub static {}: EnumDescriptor = EnumDescriptor {{ name: {:?}, values: &[",
                ident("E", name),
                &name[1..]
            );
            for value in &e.value {
                let _ = writeln!(out, "  ({}, {:?}),", value.number(), value.name());
            }
            out.push_str("] };\n");
        }
        for (name, (_, message)) in &self.messages {
            let _ = writeln!(
                out,
                "pub static {}: MessageDescriptor = MessageDescriptor {{ name: {:?}, size: {}, has_maps_of_messages: {}, fields: &[",
                ident("M", name),
                &name[1..],
                self.size(name),
                with_maps.contains(name.as_str())
            );
            for field in &message.field {
                let _ = writeln!(
                    out,
                    "  FieldDescriptor {{ number: {}, name: {:?}, kind: {}, label: Label::{}, default: {}, deprecated: {} }},",
                    field.number(),
                    field.name(),
                    self.kind(field),
                    label(field),
                    default(field),
                    field.options.as_ref().is_some_and(|o| o.deprecated()),
                );
            }
            out.push_str("] };\n");
        }
        for (name, (package, message)) in &self.messages {
            if message.options.as_ref().is_some_and(|o| o.map_entry()) {
                continue;
            }
            let _ = writeln!(
                out,
                "impl HasDescriptor for crate::proto::{} {{ fn desc() -> &'static MessageDescriptor {{ &{} }} }}",
                rust_path(package, name),
                ident("M", name)
            );
        }
        out.push_str("/// Every message type but `google.protobuf.Duration`, by full name.\npub static ALL_MESSAGES: &[&MessageDescriptor] = &[\n");
        for name in self.messages.keys() {
            let _ = writeln!(out, "  &{},", ident("M", name));
        }
        out.push_str("];\n");
        out
    }

    /// Returns the size of the Rust value of a message as a constant expression; for a map's entry, that of its key and
    /// value.
    fn size(&self, name: &str) -> String {
        match self.messages.get(name) {
            Some((_, message)) if message.options.as_ref().is_some_and(|o| o.map_entry()) => {
                let sizes: Vec<String> = message.field.iter().map(|field| self.size_of_field(field)).collect();
                sizes.join(" + ")
            }
            Some((package, _)) => format!("std::mem::size_of::<crate::proto::{}>()", rust_path(package, name)),
            None => "0".to_owned(),
        }
    }

    fn size_of_field(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::Message => self.size(field.type_name()),
            Type::String | Type::Bytes => "std::mem::size_of::<String>()".to_owned(),
            _ => "8".to_owned(),
        }
    }

    fn kind(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::Bool => "Kind::Bool".into(),
            Type::Bytes => "Kind::Bytes".into(),
            Type::Double => "Kind::Double".into(),
            Type::Float => "Kind::Float".into(),
            Type::Int32 => "Kind::Int32".into(),
            Type::Int64 => "Kind::Int64".into(),
            Type::Uint32 => "Kind::Uint32".into(),
            Type::Uint64 => "Kind::Uint64".into(),
            Type::String => "Kind::String".into(),
            Type::Enum => format!("Kind::Enum(&{})", ident("E", field.type_name())),
            Type::Message if field.type_name() == ".google.protobuf.Duration" => "Kind::Duration".into(),
            Type::Message => {
                let map = self
                    .messages
                    .get(field.type_name())
                    .is_some_and(|(_, m)| m.options.as_ref().is_some_and(|o| o.map_entry()));
                let kind = if map { "Map" } else { "Message" };
                format!("Kind::{kind}(&{})", ident("M", field.type_name()))
            }
            other => {
                eprintln!("field type {other:?} of {} has no table entry", field.name());
                std::process::exit(1);
            }
        }
    }
}

fn ident(prefix: &str, full: &str) -> String {
    format!("{prefix}{}", full.replace('.', "_")).to_uppercase()
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    match field.label() {
        Label::Required => "Required",
        Label::Repeated => "Repeated",
        Label::Optional => "Optional",
    }
}

fn default(field: &FieldDescriptorProto) -> String {
    match field.default_value.as_deref() {
        None => "None".into(),
        Some(value) => match field.r#type() {
            Type::Bool => format!("Some(DefaultValue::Bool({value}))"),
            Type::String => format!("Some(DefaultValue::String({value:?}))"),
            Type::Enum => format!("Some(DefaultValue::Enum({value:?}))"),
            Type::Double | Type::Float => format!("Some(DefaultValue::Double({value}f64))"),
            _ => format!("Some(DefaultValue::Integer({value}))"),
        },
    }
}

/// Returns the path that prost gives the message: packages and enclosing messages become modules.
fn rust_path(package: &str, full: &str) -> String {
    let mut path: Vec<String> = package.split('.').map(|p| p.to_snake_case()).collect();
    let names: Vec<&str> = full[package.len() + 2..].split('.').collect();
    if let Some((last, outer)) = names.split_last() {
        path.extend(outer.iter().map(|o| o.to_snake_case()));
        path.push(last.to_upper_camel_case());
    }
    path.join("::")
}
