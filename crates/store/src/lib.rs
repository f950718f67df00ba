//! Durable state: an embedded file, ZooKeeper, or nothing; fenced by leader epoch.
