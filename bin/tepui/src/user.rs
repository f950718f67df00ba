//! The user of this command.

/// Returns the name of the effective user from the password file, or the variable USER if it has no entry there.
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
