//! Counter-based random numbers: any number can be had without drawing those before it, so results
//! depend neither on the number of threads nor on where a run was resumed.

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
///
/// A stream is named by a seed and a purpose; within it, draw `index` of a `block` is a pure
/// function of both numbers.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    key: [u32; 2],
}

impl Random {
    /// The stream for `purpose` under `seed`. Different purposes give independent streams.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend(purpose.as_bytes());
        let digest = base::Digest::of(&bytes).0;
        let word =
            |at: usize| u32::from_le_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]);
        Random { key: [word(0), word(4)] }
    }

    /// Four independent uniform 32-bit words for `counter`.
    #[inline(always)] // calls side by side become vector instructions, as dropout wants them
    pub fn words(&self, counter: [u32; 4]) -> [u32; 4] {
        let mut state = counter;
        let mut key = self.key;
        for _ in 0..10 {
            let low = 0xD251_1F53_u64 * state[0] as u64;
            let high = 0xCD9E_8D57_u64 * state[2] as u64;
            state = [
                (high >> 32) as u32 ^ state[1] ^ key[0],
                high as u32,
                (low >> 32) as u32 ^ state[3] ^ key[1],
                low as u32,
            ];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        state
    }

    /// A uniform 32-bit word: draw `index` of `block`.
    pub fn word(&self, block: u64, index: u64) -> u32 {
        let quad = index / 4;
        let counter = [quad as u32, (quad >> 32) as u32, block as u32, (block >> 32) as u32];
        self.words(counter)[(index % 4) as usize]
    }

    /// A uniform number in `[0, 1)` with 24 random bits: draw `index` of `block`.
    pub fn uniform(&self, block: u64, index: u64) -> f32 {
        (self.word(block, index) >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A standard normal number (Box-Muller): draw `index` of `block`.
    pub fn normal(&self, block: u64, index: u64) -> f32 {
        let radius = 1.0 - self.uniform(block, 2 * index) as f64; // (0, 1]
        let angle = self.uniform(block, 2 * index + 1) as f64 * std::f64::consts::TAU;
        ((-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
    }

    /// A uniform number in `0..bound`, without bias worth the name: the 64-bit product method.
    pub fn below(&self, block: u64, index: u64, bound: u32) -> u32 {
        ((self.word(block, index) as u64 * bound as u64) >> 32) as u32
    }

    /// The numbers `0..count` in random order (Fisher-Yates), the permutation named by `block`.
    pub fn permutation(&self, block: u64, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count as u32).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(block, last as u64, last as u32 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_known_answer() {
        // Known-answer vector of the Random123 distribution: zero counter, zero key.
        let zero = Random { key: [0, 0] };
        assert_eq!(zero.words([0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn permutations_hold_every_number_once() {
        let random = Random::new(1, "shuffle");
        let mut order = random.permutation(3, 1000);
        assert_ne!(order, random.permutation(4, 1000));
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(index, &value)| index as u32 == value));
    }

    #[test]
    fn normal_has_unit_variance() {
        let random = Random::new(1, "init");
        let draws: Vec<f64> = (0..20_000).map(|index| random.normal(0, index) as f64).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }
}
