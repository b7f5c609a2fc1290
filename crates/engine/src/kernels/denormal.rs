//! Denormal numbers as zero: the moments of nearly dead weights become denormal, and arithmetic on them
//! costs a third of the training time. Set on every thread that runs kernels, so that results do not
//! depend on which thread computed them.

/// While it lives, this thread treats denormal numbers as zero, as operands and as results.
pub(crate) struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

#[cfg(target_arch = "x86_64")]
impl FlushDenormals {
    /// Sets flush-to-zero and denormals-are-zero.
    pub(crate) fn new() -> Self {
        let mut before = 0u32;
        // SAFETY: stores the SSE control register, which every x86-64 processor has.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut before, options(nostack)) };
        load(before | 0x8040);
        FlushDenormals { before }
    }
}

#[cfg(target_arch = "x86_64")]
fn load(control: u32) {
    // SAFETY: only the two denormal bits differ from what the register held.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &control, options(nostack, readonly)) };
}

#[cfg(target_arch = "x86_64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        load(self.before);
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl FlushDenormals {
    /// Nothing to set on this processor.
    pub(crate) fn new() -> Self {
        FlushDenormals {}
    }
}
