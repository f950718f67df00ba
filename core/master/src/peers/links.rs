//! The addresses that are linked. libprocess links addresses, not processes: a thousand agents behind one address share
//! one link, and its end concerns all of them.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

#[derive(Debug, Default)]
pub(crate) struct Links {
    users: BTreeMap<SocketAddrV4, Link>,
}

#[derive(Debug, Default)]
struct Link {
    users: u32,
    up: bool,
}

impl Links {
    /// Adds a process at this address. Returns whether the address has to be linked.
    #[must_use]
    pub fn acquire(&mut self, address: SocketAddrV4) -> bool {
        let link = self.users.entry(address).or_default();
        link.users += 1;
        !std::mem::replace(&mut link.up, true)
    }

    /// A known process has sent a message again. Returns whether its link had broken and has to be renewed.
    #[must_use]
    pub fn renew(&mut self, address: SocketAddrV4) -> bool {
        self.users.get_mut(&address).is_some_and(|link| !std::mem::replace(&mut link.up, true))
    }

    /// Removes a process. Returns whether no process at the address is left.
    #[must_use]
    pub fn release(&mut self, address: SocketAddrV4) -> bool {
        let Some(link) = self.users.get_mut(&address) else { return false };
        link.users = link.users.saturating_sub(1);
        let unused = link.users == 0;
        if unused {
            self.users.remove(&address);
        }
        unused
    }

    pub fn broken(&mut self, address: SocketAddrV4) {
        if let Some(link) = self.users.get_mut(&address) {
            link.up = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_linked_once_and_again_after_it_broke() {
        let mut links = Links::default();
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(links.acquire(address));
        assert!(!links.acquire(address));
        assert!(!links.renew(address));
        links.broken(address);
        assert!(links.renew(address));
        assert!(!links.release(address));
        assert!(links.release(address));
        assert!(links.acquire(address));
    }
}
