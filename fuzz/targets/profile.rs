//! Profiles: no bytes make the reader panic, and whatever it accepts can be judged by and is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monitor::{Answer, Profile, Settings, Tally, judge};

fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::from_bytes(bytes) else { return };
    let mut tally = Tally::new(&profile);
    for number in 0..200u8 {
        let inputs: Vec<f32> = profile.fields().map(|_| f32::from(number)).collect();
        tally.add(&profile.code_all(&inputs, Some(Answer::Class(u32::from(number % 3), 0.5))));
    }
    judge(&profile, &tally, None, &Settings::default());
    assert_eq!(Profile::from_bytes(&profile.to_bytes()), Ok(profile));
});
