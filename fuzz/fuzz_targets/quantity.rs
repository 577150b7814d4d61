//! Quantities: none makes arithmetic panic, and each survives its text.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::Quantity;

fuzz_target!(|text: &str| {
    let (left, right) = text.split_once(' ').unwrap_or((text, "1"));
    let (Ok(left), Ok(right)) = (Quantity::parse(left), Quantity::parse(right)) else { return };
    if let Ok(back) = Quantity::parse(&left.to_string()) {
        assert_eq!(back, left);
    }
    assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    let _ = (left.mul(&right), left.div(&right), left.as_f64(), left.as_i64_rounded_up());
    if let (Ok(sum), Ok(other)) = (left.add(&right), right.add(&left)) {
        assert_eq!(sum, other);
        assert_eq!(sum.sub(&right).ok(), Some(left));
    }
});
