//! Checksums of fetched files. Mesos has no field for them, so that they are part of the URI: `?checksum=sha256:…`, as
//! Nomad and Terraform (go-getter) have it. The parameter is removed before the file is requested.

use ring::digest::{Algorithm, Context, SHA256, SHA384, SHA512};

use crate::error::Reason;

const ALGORITHMS: [(&str, &Algorithm); 3] = [("sha256", &SHA256), ("sha384", &SHA384), ("sha512", &SHA512)];

const PARAMETER: &str = "checksum=";

/// The checksum that a file must have.
#[derive(Clone)]
pub(crate) struct Checksum {
    name: &'static str,
    algorithm: &'static Algorithm,
    digest: String,
}

/// Splits a URI into the URI without its checksum, and the checksum. A parameter `checksum` whose value is not of the
/// form `name:value` is left to the server.
///
/// # Errors
/// Returns [`Reason::Checksum`] for an algorithm that is not known or a value that is not one of its digests.
pub(crate) fn split(uri: &str) -> Result<(String, Option<Checksum>), Reason> {
    let Some((path, query)) = uri.split_once('?') else { return Ok((uri.to_owned(), None)) };
    let mut kept = Vec::new();
    let mut checksum = None;
    for parameter in query.split('&') {
        match parameter.strip_prefix(PARAMETER).and_then(|value| named(&value.replace("%3A", ":").replace("%3a", ":")))
        {
            None => kept.push(parameter),
            Some(found) => {
                if checksum.replace(found?).is_some() {
                    return Err(Reason::Checksum("the URI has two checksums: keep one of them".to_owned()));
                }
            }
        }
    }
    if checksum.is_none() {
        return Ok((uri.to_owned(), None));
    }
    let query = kept.join("&");
    let rest = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    Ok((rest, checksum))
}

/// Reads `name:digest`; `None` if the text does not have this form.
fn named(text: &str) -> Option<Result<Checksum, Reason>> {
    let (name, digest) = text.split_once(':')?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let Some((name, algorithm)) = ALGORITHMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let known = ALGORITHMS.map(|(name, _)| name).join(", ");
        return Some(Err(Reason::Checksum(format!(
            "checksum algorithm '{name}' is not supported: use one of {known}"
        ))));
    };
    let digits = 2 * algorithm.output_len();
    if digest.len() != digits || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("a {name} checksum has {digits} hexadecimal digits, and this one does not");
        return Some(Err(Reason::Checksum(message)));
    }
    Some(Ok(Checksum { name, algorithm, digest: digest.to_ascii_lowercase() }))
}

/// Computes the checksum of a file while it is written.
#[derive(Clone)]
pub(crate) struct Verifier {
    checksum: Checksum,
    context: Context,
}

impl Verifier {
    /// Begins with an empty file.
    pub fn new(checksum: Checksum) -> Self {
        let context = Context::new(checksum.algorithm);
        Verifier { checksum, context }
    }

    /// Adds bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Begins again, because the file is downloaded from its beginning.
    pub fn restart(&mut self) {
        self.context = Context::new(self.checksum.algorithm);
    }

    /// Compares the checksums.
    ///
    /// # Errors
    /// Returns [`Reason::ChecksumMismatch`] if the file is a different one.
    pub fn verify(self) -> Result<(), Reason> {
        let found: String = self.context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if found == self.checksum.digest {
            return Ok(());
        }
        let algorithm = self.checksum.name.to_owned();
        Err(Reason::ChecksumMismatch { algorithm, expected: self.checksum.digest, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_checksum_is_a_parameter_that_the_server_does_not_get() {
        let check = |uri: &str, expected: Option<(&str, bool)>| {
            let found = split(uri).ok().map(|(uri, checksum)| (uri, checksum.is_some()));
            assert_eq!(found, expected.map(|(uri, checksum)| (uri.to_owned(), checksum)), "{uri}");
        };
        check("http://h/a", Some(("http://h/a", false)));
        check("http://h/a?x=1", Some(("http://h/a?x=1", false)));
        check("http://h/a?checksum=yes", Some(("http://h/a?checksum=yes", false)));
        check(&format!("http://h/a?checksum=sha256:{EMPTY}"), Some(("http://h/a", true)));
        check(
            &format!("http://h/a?x=1&checksum=SHA256%3A{}&y", EMPTY.to_uppercase()),
            Some(("http://h/a?x=1&y", true)),
        );
        check(&format!("/a?checksum=sha256:{EMPTY}"), Some(("/a", true)));
        check("http://h/a?checksum=md5:d41d8cd98f00b204e9800998ecf8427e", None);
        check("http://h/a?checksum=sha256:00", None);
        check(&format!("http://h/a?checksum=sha512:{EMPTY}"), None);
        check(&format!("http://h/a?checksum=sha256:{}", EMPTY.replace('e', "g")), None);
        check(&format!("http://h/a?checksum=sha256:{EMPTY}&checksum=sha256:{EMPTY}"), None);
    }

    #[test]
    fn bytes_are_compared() {
        let (_, checksum) = split(&format!("/a?checksum=sha256:{EMPTY}")).unwrap();
        let verifier = Verifier::new(checksum.unwrap());
        assert!(verifier.clone().verify().is_ok());
        let mut other = verifier.clone();
        other.update(b"a");
        assert!(matches!(other.clone().verify(), Err(Reason::ChecksumMismatch { .. })));
        other.restart();
        assert!(other.verify().is_ok());
    }
}
