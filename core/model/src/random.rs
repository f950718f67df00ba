//! Randomness for cores: a stream that its seed fixes. The shell seeds it from the operating system, the simulator from
//! the run's seed.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use uuid::Uuid;

/// A stream of random numbers that its seed fixes (ChaCha with 12 rounds).
#[derive(Debug, Clone)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// Returns the stream of this seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Random(ChaCha12Rng::from_seed(seed))
    }

    /// Returns the stream of this seed, which is expanded to 32 bytes.
    pub fn from_u64(seed: u64) -> Self {
        Random(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Returns a number of which all 64 bits are random.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number in `0..bound`; zero for a bound of zero. The bias of the multiply-shift method is below 2^-32
    /// for the bounds that cores use.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a random UUID (RFC 9562, version 4).
    pub fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
