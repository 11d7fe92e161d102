#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    credssp_fuzz::pk_as_rep::run(data);
});
