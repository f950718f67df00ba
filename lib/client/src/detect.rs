//! Finding the leading master.

use std::time::Duration;

use election::Detector;
use messages::v1;

use crate::address::Address;
use crate::error::Error;

/// Of the session with ZooKeeper; as long as Mesos' drivers have.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// What people write as `--master`: the address of a master as it is, and for `zk://…` (or a `file://` that holds such a
/// URL) the master that leads. Waits `patience` for one.
pub async fn detect(given: &str, patience: Duration) -> Result<Address, Error> {
    if !is_elected(given) {
        return given.parse();
    }
    let detector = Detector::of(given, SESSION_TIMEOUT).map_err(Error::Undetectable)?;
    let found = tokio::time::timeout(patience, detector.detect()).await;
    found.map(|master| address_of(&master)).map_err(|_| Error::NoLeader)
}

/// Whether it has to be asked who leads.
pub(crate) fn is_elected(given: &str) -> bool {
    given.starts_with("zk://") || given.starts_with("file://")
}

/// Where a master listens.
pub(crate) fn address_of(master: &v1::MasterInfo) -> Address {
    let ip = || std::net::Ipv4Addr::from(master.ip.to_le_bytes()).to_string();
    let given = master.address.as_ref().and_then(|address| address.ip.clone());
    Address::new(given.unwrap_or_else(ip), u16::try_from(master.port).unwrap_or_default())
}
