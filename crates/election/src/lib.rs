//! Who leads: standalone or ZooKeeper; contender and detector.
