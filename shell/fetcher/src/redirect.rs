//! The targets of redirects (RFC 9110, section 10.2.2; RFC 3986, section 5).

use ureq::http::uri::Uri;

use crate::error::Reason;

/// Resolves the `Location` of a response. The result is always an HTTP or HTTPS address: a redirect never leads to a
/// file of the machine.
///
/// # Errors
/// Returns [`Reason::Redirect`] for anything else.
pub(crate) fn target(base: &Uri, location: &str) -> Result<Uri, Reason> {
    let failed = || Reason::Redirect(location.to_owned());
    let location = location.split('#').next().unwrap_or_default().trim();
    let (Some(scheme), Some(authority)) = (base.scheme_str(), base.authority()) else { return Err(failed()) };
    // Credentials of the address that redirects are not those of the target.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let text = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{host}{}{location}", base.path())
    } else {
        let path = base.path();
        let directory = path.get(..path.rfind('/').map_or(0, |at| at + 1)).unwrap_or("/");
        format!("{scheme}://{host}{}{location}", if directory.is_empty() { "/" } else { directory })
    };
    let uri: Uri = text.parse().map_err(|_| failed())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if is_http { Ok(uri) } else { Err(failed()) }
}

fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '?']) && !scheme.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_web_addresses_only() {
        let base: Uri = "https://user:pass@h:1/d/a?x=1".parse().unwrap();
        for (location, expected) in [
            ("http://other/b", Some("http://other/b")),
            ("//other/b", Some("https://other/b")),
            ("/b?y#part", Some("https://h:1/b?y")),
            ("b", Some("https://h:1/d/b")),
            ("../b:c", Some("https://h:1/d/../b:c")),
            ("?y=2", Some("https://h:1/d/a?y=2")),
            ("file:///etc/passwd", None),
            ("ftp://h/a", None),
            ("http:///a", None),
            ("mailto:a", None),
        ] {
            assert_eq!(target(&base, location).ok().map(|uri| uri.to_string()).as_deref(), expected, "{location}");
        }
    }
}
