//! Dice without memory: what is thrown depends on the seed and on the question alone, so that taking
//! one fault away leaves the others where they were.

/// Dice of one story.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x7469_6465_6761_7465))
    }

    /// A number that belongs to a text, in all stories alike.
    pub fn of_all(text: &str) -> u64 {
        Self(0).roll("of all", text, 0)
    }

    /// 64 bits for a question, asked about something for the n-th time.
    pub fn roll(self, question: &str, about: &str, n: u64) -> u64 {
        let mut hash = self.0 ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in question.bytes().chain([0xff]).chain(about.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        mix(hash)
    }

    /// Whether something happens that does so `per_mille` times of a thousand.
    pub fn strikes(self, per_mille: u64, question: &str, about: &str, n: u64) -> bool {
        per_mille > 0 && self.roll(question, about, n) % 1_000 < per_mille
    }

    /// A number from `low` to `high`, both included.
    pub fn between(self, low: u64, high: u64, question: &str, about: &str, n: u64) -> u64 {
        low + self.roll(question, about, n) % (high - low + 1)
    }
}

/// The last step of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
