//! `WWW-Authenticate` of a 401: the authentication that the registry demands (RFC 9110, section 11.6.1, and Docker's
//! token specification).

/// The first challenge that this client supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The registry gets the credentials themselves.
    Basic,
    /// The registry gets a token of a server, and that server gets the credentials.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// Reads the values of all `WWW-Authenticate` headers. A bearer challenge is preferred.
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for value in values {
            for (scheme, parameters) in challenges(value) {
                let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
                if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = find("realm")
                {
                    return Some(Challenge::Bearer { realm, service: find("service"), scope: find("scope") });
                }
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Challenge::Basic);
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// Splits a header into schemes with their parameters. Text that does not fit the grammar is skipped.
fn challenges(header: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word.is_empty() {
            match behind.chars().next() {
                // A separator without a word before it is skipped.
                Some(sign) => rest = behind.get(sign.len_utf8()..).unwrap_or_default(),
                None => return found,
            }
            continue;
        }
        match behind.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, behind) = parameter_value(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = behind;
            }
            None => {
                found.push((word.to_owned(), Vec::new()));
                rest = behind;
            }
        }
    }
}

/// Returns a token or a quoted string, and the text after it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bearer_challenge_names_its_token_server() {
        let check = |headers: &[&str], expect: Option<Challenge>| {
            assert_eq!(Challenge::parse(headers.iter().copied()), expect, "{headers:?}");
        };
        let bearer = |service: Option<&str>, scope: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer { realm: "https://a/t".into(), service: text(service), scope: text(scope) })
        };
        check(
            &[r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#],
            bearer(Some("s"), Some("repository:x:pull,push")),
        );
        check(&["bearer Realm=https://a/t"], bearer(None, None));
        check(&["Basic realm=\"x\"", "Bearer realm=\"https://a/t\""], bearer(None, None));
        check(&[r#"Basic realm="a \"b\", Bearer realm=c""#], Some(Challenge::Basic));
        check(&["Bearer"], None);
        check(&["Negotiate abc"], None);
        check(&[], None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_its_end(header in "[ -~]{0,80}") {
            Challenge::parse(std::iter::once(header.as_str()));
        }
    }
}
