//! Kubernetes quantities: exact decimal numbers with the suffixes of memory and CPU.
// COMPAT: Kubernetes 1.36 apimachinery resource.Quantity; tests: kubernetes_reads_the_same,
// kubernetes_prints_the_same, arithmetic_is_that_of_kubernetes.
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// An exact decimal number and the family of suffixes it was written with.
///
/// Equality and order are of the number alone: `1024Mi` equals `1Gi`. What is smaller than `1n` was rounded away
/// from zero when it was read.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// The number is `digits × 10^exponent`. The exponent is kept as written (not reduced): division rounds there.
    digits: i128,
    exponent: i32,
    format: Format,
}

/// The family of suffixes a quantity prints with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySi,
    /// `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`.
    DecimalSi,
    /// `e3`, `e-6`, …
    DecimalExponent,
}

/// Why a text is no quantity; the first two texts are Kubernetes'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No digits, or something after the suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// Letters that are no suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// More digits or a larger exponent than we hold: 38 digits, 10^±9999.
    #[error("quantity is out of range")]
    Range,
}

/// Why two quantities have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// The divisor is zero.
    #[error("division by zero")]
    ZeroDivisor,
    /// The result has more than 38 digits.
    #[error("the result is out of range")]
    Range,
}

/// Digits that an `i64` surely holds, by which Kubernetes chooses the form that keeps the written scale.
const FAST_DIGITS: usize = 18;
/// The smallest unit, `1n`.
const NANO: i32 = -9;
/// The largest binary quantity: 2⁶³ − 1.
const MOST_BINARY: i128 = i64::MAX as i128;
const LARGEST_EXPONENT: i32 = 9_999;

impl Quantity {
    /// A whole number.
    pub const fn from_i64(n: i64, format: Format) -> Self {
        Self { digits: n as i128, exponent: 0, format }
    }

    /// The family of suffixes.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Reads `100m`, `1.5Gi`, `1e3`, `-5`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let parts = Parts::split(text)?;
        let suffix = Suffix::read(parts.suffix)?;
        let decimals = i32::try_from(parts.decimals.len()).map_err(|_| QuantityError::Range)?;
        let digits = [parts.whole, parts.decimals]
            .concat()
            .parse::<i128>()
            .map_err(|_| QuantityError::Range)?;
        let sign = if parts.negative { -1 } else { 1 };
        let (factor, shift) = (suffix.factor(), suffix.shift());
        let exponent = shift - decimals;
        let short = parts.whole.len() + parts.decimals.len() <= FAST_DIGITS;
        let fast = match suffix {
            Suffix::Decimal { .. } => short && exponent >= NANO,
            // Kubernetes' guess at the digits that the factor adds.
            Suffix::Binary(power) => {
                let digits = 3 * power / 10;
                parts.decimals.is_empty()
                    && parts.whole.len() + usize::try_from(digits).unwrap_or(0) <= 14
            }
        };
        let mut format = suffix.format();
        let Some(exact) = digits.checked_mul(factor) else {
            // Only a binary suffix multiplies, and it is capped anyway.
            return Ok(Self { digits: sign * MOST_BINARY, exponent: 0, format });
        };
        if fast {
            return Ok(Self { digits: sign * exact, exponent, format });
        }
        // What is too large for nanos has none to lose.
        let (size, exponent) =
            rounded_up(exact, exponent, NANO).map_or((exact, exponent), |nanos| (nanos, NANO));
        let size_of = Self { digits: size, exponent, format };
        if format == Format::BinarySi && size_of > Self::from_i64(i64::MAX, format) {
            return Ok(Self { digits: sign * MOST_BINARY, exponent: 0, format });
        }
        if format == Format::BinarySi && size > 0 && size_of < Self::from_i64(1, format) {
            format = Format::DecimalSi;
        }
        Ok(Self { digits: sign * size, exponent, format })
    }

    /// True for zero.
    pub const fn is_zero(&self) -> bool {
        self.digits == 0
    }

    /// -1, 0 or 1.
    pub const fn signum(&self) -> i32 {
        match self.digits {
            0 => 0,
            ..0 => -1,
            _ => 1,
        }
    }

    /// The number as a float, as `AsApproximateFloat64`.
    #[expect(clippy::cast_precision_loss, reason = "the float is what is asked for")]
    pub fn as_f64(&self) -> f64 {
        if self.exponent == 0 {
            return self.digits as f64;
        }
        // The text is the exact power's nearest float; `powi` is not.
        self.digits as f64 * format!("1e{}", self.exponent).parse::<f64>().unwrap_or(f64::INFINITY)
    }

    /// The number as an integer, a fraction rounded away from zero; `None` when it does not fit.
    pub fn as_i64_rounded_up(&self) -> Option<i64> {
        let size = rounded_up(self.digits.checked_abs()?, self.exponent, 0)?;
        i64::try_from(if self.digits < 0 { -size } else { size }).ok()
    }

    /// The sum; its suffixes are those of the left side, or of the right when the left is zero.
    pub fn add(&self, other: &Self) -> Result<Self, ArithmeticError> {
        let format = if self.is_zero() { other.format } else { self.format };
        if other.is_zero() {
            return Ok(Self { format, ..*self });
        }
        if self.is_zero() {
            return Ok(*other);
        }
        let exponent = self.exponent.min(other.exponent);
        let sum = self.at(exponent).zip(other.at(exponent)).and_then(|(a, b)| a.checked_add(b));
        sum.map(|digits| Self { digits, exponent, format }).ok_or(ArithmeticError::Range)
    }

    /// The difference, with suffixes as in [`add`](Self::add).
    pub fn sub(&self, other: &Self) -> Result<Self, ArithmeticError> {
        self.add(&Self { digits: -other.digits, ..*other })
    }

    /// The exact product, with the suffixes of the left side.
    pub fn mul(&self, other: &Self) -> Result<Self, ArithmeticError> {
        let digits = self.digits.checked_mul(other.digits).ok_or(ArithmeticError::Range)?;
        let exponent = self.exponent.saturating_add(other.exponent);
        if exponent.abs() > 2 * LARGEST_EXPONENT {
            return Err(ArithmeticError::Range);
        }
        Ok(Self { digits, exponent, format: self.format })
    }

    /// The quotient cut off (toward zero) at the finer of the two scales, with the suffixes of the left side.
    pub fn div(&self, other: &Self) -> Result<Self, ArithmeticError> {
        if other.is_zero() {
            return Err(ArithmeticError::ZeroDivisor);
        }
        let exponent = self.exponent.min(other.exponent);
        // self / other at `exponent`: digits × 10^(e₁ − e₂ − exponent) / digits.
        let shift = self.exponent - other.exponent - exponent;
        let scaled = |n: i128, by: i32| {
            power_of_ten(by).and_then(|p| n.checked_mul(p)).ok_or(ArithmeticError::Range)
        };
        let (over, under) = if shift >= 0 {
            (scaled(self.digits, shift)?, other.digits)
        } else {
            (self.digits, scaled(other.digits, -shift)?)
        };
        let digits = over.checked_div(under).ok_or(ArithmeticError::Range)?;
        Ok(Self { digits, exponent, format: self.format })
    }

    /// The digits at a finer exponent.
    fn at(&self, exponent: i32) -> Option<i128> {
        self.digits.checked_mul(power_of_ten(self.exponent.checked_sub(exponent)?)?)
    }
}

/// 10^n while it fits.
fn power_of_ten(n: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(n).ok()?)
}

/// A size of so many digits at an exponent, brought to another one; what gets lost rounds up.
fn rounded_up(digits: i128, from: i32, to: i32) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    if from >= to {
        return digits.checked_mul(power_of_ten(from - to)?);
    }
    // Beyond 38 places nothing is left but the rounding.
    let Some(power) = power_of_ten(to - from) else { return Some(1) };
    let rest = i128::from(digits % power != 0);
    Some(digits / power + rest)
}

/// A quantity's text taken apart: `[sign][whole][.decimals][suffix]`.
struct Parts<'t> {
    negative: bool,
    /// Without leading zeros, but `0` for none.
    whole: &'t str,
    decimals: &'t str,
    suffix: &'t str,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (decimals, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        // Letters, then perhaps a signed number, and nothing after it.
        let number = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let (_, after) = split_digits(number.strip_prefix(['-', '+']).unwrap_or(number));
        if after.is_empty() {
            Ok(Self { negative, whole, decimals, suffix })
        } else {
            Err(QuantityError::Format)
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))
}

#[derive(Clone, Copy)]
enum Suffix {
    /// 2 to that power.
    Binary(i32),
    /// 10 to that power.
    Decimal { power: i32, exponent_form: bool },
}

impl Suffix {
    fn read(text: &str) -> Result<Self, QuantityError> {
        if let Some(at) = BINARY.iter().position(|name| *name == text) {
            return Ok(Self::Binary(10 * i32::try_from(at + 1).unwrap_or(0)));
        }
        if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Decimal { power: *power, exponent_form: false });
        }
        let digits = text.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
        // Rust's and Go's `ParseInt` both take a sign.
        let power = digits.parse::<i64>().map_err(|_| QuantityError::Suffix)?;
        let power = i32::try_from(power)
            .ok()
            .filter(|p| p.abs() <= LARGEST_EXPONENT)
            .ok_or(QuantityError::Range)?;
        Ok(Self::Decimal { power, exponent_form: true })
    }

    const fn factor(self) -> i128 {
        match self {
            Self::Binary(power) => 1 << power,
            Self::Decimal { .. } => 1,
        }
    }

    const fn shift(self) -> i32 {
        match self {
            Self::Binary(_) => 0,
            Self::Decimal { power, .. } => power,
        }
    }

    const fn format(self) -> Format {
        match self {
            Self::Binary(_) => Format::BinarySi,
            Self::Decimal { exponent_form: false, .. } => Format::DecimalSi,
            Self::Decimal { exponent_form: true, .. } => Format::DecimalExponent,
        }
    }
}

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, the largest suffix that needs none, in the written family as far as it
    /// loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.format == Format::BinarySi
            && let Some(whole) = self.whole()
            && whole.unsigned_abs() >= 1024
        {
            let (mut number, mut power) = (whole, 0);
            while number % 1024 == 0 && power < BINARY.len() {
                number /= 1024;
                power += 1;
            }
            let suffix =
                power.checked_sub(1).and_then(|at| BINARY.get(at)).copied().unwrap_or_default();
            return write!(f, "{number}{suffix}");
        }
        let (mut number, mut exponent) = (self.digits, self.exponent);
        while number % 10 == 0 {
            number /= 10;
            exponent += 1;
        }
        // A suffix stands for a power of 1000.
        let zeros = exponent.rem_euclid(3);
        exponent -= zeros;
        let zeros = usize::try_from(zeros).unwrap_or(0);
        write!(f, "{number}{}", "00".get(..zeros).unwrap_or_default())?;
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map(|(name, _)| *name);
        match (self.format, suffix) {
            (_, Some("")) => Ok(()),
            (Format::DecimalSi | Format::BinarySi, Some(suffix)) => f.write_str(suffix),
            // COMPAT: apimachinery 0.36 drops the power of a decimal quantity beyond E or below n, and so prints
            // another number; test: a_power_without_a_suffix_is_not_lost.
            _ => write!(f, "e{exponent}"),
        }
    }
}

impl Quantity {
    /// The number when it has no fraction and fits.
    fn whole(&self) -> Option<i128> {
        if self.exponent >= 0 {
            return self.at(0);
        }
        let power = power_of_ten(-self.exponent)?;
        (self.digits % power == 0).then_some(self.digits / power)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.signum().cmp(&other.signum());
        if by_sign.is_ne() || self.is_zero() {
            return by_sign;
        }
        let by_size = compare_sizes(
            (self.digits.unsigned_abs(), self.exponent),
            (other.digits.unsigned_abs(), other.exponent),
        );
        if self.digits < 0 { by_size.reverse() } else { by_size }
    }
}

/// Compares two sizes above zero exactly, without a power that might not fit.
fn compare_sizes(a: (u128, i32), b: (u128, i32)) -> Ordering {
    if a.1 < b.1 {
        return compare_sizes(b, a).reverse();
    }
    // a = a.0 × 10^difference in units of b's exponent: if that does not fit, it is the larger.
    let difference = u32::try_from(a.1 - b.1).unwrap_or(u32::MAX);
    let scaled = 10_u128.checked_pow(difference).and_then(|power| a.0.checked_mul(power));
    scaled.map_or(Ordering::Greater, |scaled| scaled.cmp(&b.0))
}
