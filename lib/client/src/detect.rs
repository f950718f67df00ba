//! Finds the leading master.

use std::time::Duration;

use election::Detector;
use messages::v1;

use crate::address::Address;
use crate::error::Error;

/// The timeout of the ZooKeeper session, that of Mesos' drivers.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the address of a master from the value of a `--master` flag. An address is returned as it is. For `zk://…`,
/// and a `file://` with such a URL, it waits for up to `timeout` until a master leads, and returns the leading one.
///
/// It has to be called inside a tokio runtime.
///
/// # Errors
/// Returns [`Error::Address`] and [`Error::Undetectable`] for a text of another form, and [`Error::NoLeader`] if no
/// master leads in time.
pub async fn detect(given: &str, timeout: Duration) -> Result<Address, Error> {
    if !is_elected(given) {
        return given.parse();
    }
    let detector = Detector::of(given, SESSION_TIMEOUT).map_err(Error::Undetectable)?;
    let found = tokio::time::timeout(timeout, detector.detect()).await;
    found.map(|master| address_of(&master)).map_err(|_| Error::NoLeader)
}

/// Returns whether the leading master has to be detected.
pub(crate) fn is_elected(given: &str) -> bool {
    given.starts_with("zk://") || given.starts_with("file://")
}

/// Returns the address that a master listens on.
pub(crate) fn address_of(master: &v1::MasterInfo) -> Address {
    let ip = || std::net::Ipv4Addr::from(master.ip.to_le_bytes()).to_string();
    let given = master.address.as_ref().and_then(|address| address.ip.clone());
    Address::new(given.unwrap_or_else(ip), u16::try_from(master.port).unwrap_or_default())
}
