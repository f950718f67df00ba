//! Who runs this command.

/// The name of the effective user, from the password file; the variable USER where that has no entry.
pub fn current() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "root".to_owned())
}
