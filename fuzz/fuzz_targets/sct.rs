//! Lists of signed certificate timestamps: bounded, each with a log that can be looked up.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::certificate::Sct;

fuzz_target!(|bytes: &[u8]| {
    if let Some(list) = Sct::parse_list(bytes) {
        assert!(list.len() <= 32);
        assert!(list.iter().all(|sct| sct.log_id().len() == 32));
    }
    let _ = Sct::parse_detached(bytes);
});
