//! Recorded answers of apimachinery, and laws of arithmetic.
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn text(result: Result<Quantity, ArithmeticError>) -> String {
    result.map_or_else(|e| e.to_string(), |q| q.to_string())
}

/// What is read, and how it prints once Kubernetes has forgotten the text it came from.
#[rustfmt::skip]
const READ: &[(&str, &str)] = &[
    ("0", "0"), ("-", "0"), ("+", "0"), ("k", "0"), ("m", "0"), (".", "0"), ("-.", "0"), ("1.", "1"), ("1.k", "1k"),
    (".5", "500m"), ("+.5", "500m"), ("-0.5", "-500m"), ("00", "0"), ("007", "7"), ("1Ki", "1Ki"), ("1.5Ki", "1536"),
    ("0.5Ki", "512"), ("0.0001Ki", "102400u"), ("1023", "1023"), ("1024", "1024"), ("1024Ki", "1Mi"),
    ("1.5Gi", "1536Mi"), ("1000m", "1"), ("1500m", "1500m"), ("1u", "1u"), ("0.1n", "1n"), ("1n", "1n"),
    ("0.5n", "1n"), ("-0.5n", "-1n"), ("1e3", "1e3"), ("1E3", "1e3"), ("1e-3", "1e-3"), ("1e0", "1"), ("1E", "1E"),
    ("1e+3", "1e3"), ("1e21", "1e21"), ("1E21", "1e21"), ("1k", "1k"), ("1000k", "1M"), ("1000000k", "1G"),
    ("999E", "999E"), ("10E", "10E"), ("1Ei", "1Ei"), ("8Ei", "9223372036854775807"), ("9Ei", "9223372036854775807"),
    ("-9Ei", "-9223372036854775807"), ("7.9Ei", "9108079886394091110400m"),
    ("12345678901234567890", "12345678901234567890"), ("1234567890123456789012", "1234567890123456789012"),
    ("0.12345678901234567890", "123456790n"), ("3.0e3", "3e3"), ("-5", "-5"), ("5e-10", "1e-9"), ("1e-100", "1e-9"),
    ("1e100", "10e99"), ("1.000", "1"), ("1.500", "1500m"), ("0.10", "100m"), ("+1Ki", "1Ki"), ("8Ki", "8Ki"),
    ("3e+8", "300e6"), ("1e+308", "100e306"), ("9185.n", "9185n"), ("841E5", "84100e3"), ("877780518", "877780518"),
    ("1n", "1n"), ("337.Pi", "337Pi"), ("90m", "90m"), ("1056.e+1", "10560"), ("628", "628"), ("0337e12", "337e12"),
];

/// Left, right, order, sum, difference, product, quotient.
#[rustfmt::skip]
const ARITHMETIC: &[(&str, &str, i32, &str, &str, &str, &str)] = &[
    ("31Ki", "34.51k", -1, "66254", "-2766", "1069810Ki", "0"),
    ("1.0e3", "576e12", -1, "576000000001e3", "-575999999999e3", "576e15", "0"),
    ("8741e-2", "752480u", 1, "88162480e-6", "86657520e-6", "65774276800e-9", "116162555e-6"),
    ("33u", "7922.85e12", -1, "7922850000000000000033u", "-7922849999999999999967u", "261454050k", "0"),
    ("45.471", "3.1m", 1, "45474100u", "45467900u", "140960100n", "14668064500u"),
    ("235Pi", "01.m", 1, "264586478108016640001m", "264586478108016639999m", "264586478108016640m", "235000Pi"),
    ("459.92u", "966.8Gi", -1, "1038093595443200459920n", "-1038093595443199540080n", "477440006416236544n", "0"),
    ("13", "87.1P", -1, "87100000000000013", "-87099999999999987", "1132300T", "0"),
    ("0457T", "77Gi", 1, "457082678120448", "456917321879552", "37783901044736T", "5527"),
    ("8", "8919992", -1, "8920k", "-8919984", "71359936", "0"),
    ("25.7Mi", "7184e3", 1, "34132403200m", "19764403200m", "184628800Mi", "3751169710n"),
    ("2.13", "1.e-2", 1, "2140m", "2120m", "21300u", "213"),
    ("-78Ki", "791e12", -1, "772460937422Ki", "-772460937578Ki", "-60251953125000Mi", "0"),
    ("3253.0470Pi", "5.1M", 1, "3662605314259777475328m", "3662605314249577475328m", "16590539700Pi", "718157904755819112809n"),
    ("45.m", "77.7Mi", -1, "81474355245m", "-81474355155m", "3666345984m", "0"),
    ("1Ki", "-06.k", 1, "-4976", "7024", "-6000Ki", "0"),
    ("0488m", "55.3m", 1, "543300u", "432700u", "26986400n", "8824500u"),
    ("-19.3e12", "1.527e+1", -1, "-19299999999984730e-3", "-19300000000015270e-3", "-294711e9", "-1263916175507530e-3"),
    ("699.", "57881.9e-2", 1, "1277819m", "120181m", "404594481m", "1207m"),
    ("81e3", "5530.120Gi", -1, "5937921216738880e-3", "-5937921054738880e-3", "480971611994849280", "13e-9"),
    ("6009", "8964.e3", -1, "8970009", "-8957991", "53864676k", "0"),
    ("4129.0Gi", "117.Ki", 1, "4329570421Ki", "4329570187Ki", "483093Ti", "37004874393162393n"),
    ("23.Pi", "3572.P", -1, "3513570017438848Ki", "-3462992482561152Ki", "80230468750000000Ei", "7249635n"),
    ("5Ki", "4598750.38e+1", -1, "45992623800m", "-45982383800m", "229937519Ki", "0"),
    ("6450", "248.927Mi", -1, "261025327952m", "-261012427952m", "1683571762790400m", "24710n"),
    ("973.12e+1", "019", 1, "9750200e-3", "9712200e-3", "184892800e-3", "512100e-3"),
    ("7e12", "7.", 1, "7000000000007", "6999999999993", "49e12", "1e12"),
    ("440Gi", "55e12", -1, "54172310940Ki", "-53249564060Ki", "23632812500000Ti", "0"),
    ("79T", "-5241", 1, "78999999994759", "79000000005241", "-414039T", "-15073459263"),
    ("-473.13m", "9144.7T", -1, "9144699999999999526870u", "-9144700000000000473130u", "-4326631911M", "0"),
    ("41.964", "-5227e12", 1, "-5226999999999958036m", "5227000000000041964m", "-219345828G", "0"),
    ("4e3", "3e-2", 1, "4000030e-3", "3999970e-3", "120", "133333330e-3"),
    ("20e+1", "-093.046T", 1, "-93045999999800", "93046000000200", "-18609200e9", "0"),
    ("-14.e3", "3.925T", -1, "3924999986e3", "-3925000014e3", "-54950e12", "0"),
    ("80G", "209.65Ti", -1, "230592612763238400m", "-230432612763238400m", "18441009021059072G", "347052n"),
    ("841.4988Pi", "084.T", 1, "947527420528179884851200u", "947359420528179884851200u", "69029198437500Ei", "11279088339621n"),
    ("5e12", "-423e3", 1, "4999999577e3", "5000000423e3", "-2115e15", "-11820e3"),
    ("7.94945M", "2e+1", 1, "7949470", "7949430", "158989k", "397470"),
    ("543135565.2M", "5428e-2", 1, "543135565200054280m", "543135565199945720m", "29481398479056k", "10006182114959460m"),
    ("660.375T", "-77m", 1, "660374999999999923m", "660375000000000077m", "-50848875M", "-8576298701298701298m"),
    ("7767m", "-1758e-2", 1, "-9813m", "25347m", "-136543860u", "-441m"),
    ("2294Ki", "505G", -1, "505002349056", "-504997650944", "1131318359375Mi", "0"),
    ("98.", "489m", 1, "98489m", "97511m", "47922m", "200408m"),
    ("098.Gi", "2104033.m", 1, "105226700856033m", "105226696647967m", "221400446655266816m", "50011905113m"),
    ("99.287n", "6026k", -1, "6026000000000100n", "-6025999999999900n", "602600u", "0"),
    ("4704e+1", "7e12", -1, "7000000047040", "-6999999952960", "329280e12", "0"),
    ("1327.82e-2", "925.09k", -1, "925103278200e-6", "-925076721800e-6", "12283530038e-3", "0"),
    ("5914Mi", "1837e-2", 1, "6201278482370m", "6201278445630m", "113917485383680m", "337576399780m"),
    ("4110.97", "-7884T", 1, "-7883999999995889030m", "7884000000004110970m", "-32410887480G", "0"),
    ("4.G", "7.5Ki", 1, "4000007680", "3999992320", "30720G", "520833333333333n"),
    ("80e12", "-56.M", 1, "79999944e6", "80000056e6", "-4480e18", "-1e6"),
    ("56.433k", "-7377T", 1, "-7376999999943567", "7377000000056433", "-416306241T", "0"),
    ("1940u", "01P", -1, "1000000000000000001940u", "-999999999999999998060u", "1940G", "0"),
    ("74Gi", "1u", 1, "79456894976000001u", "79456894975999999u", "79456894976u", "74000000Gi"),
];

#[test]
fn kubernetes_reads_the_same() {
    for (written, _) in READ {
        assert!(Quantity::parse(written).is_ok(), "{written}");
    }
    let check = |text: &str, want: QuantityError| {
        assert_eq!(Quantity::parse(text).unwrap_err(), want, "{text:?}");
    };
    check("", QuantityError::Format);
    check("1e", QuantityError::Suffix);
    check("1Eg", QuantityError::Format);
    check("1ee3", QuantityError::Suffix);
    check("12Exyz", QuantityError::Format);
    check("1 ", QuantityError::Format);
    check("1i", QuantityError::Suffix);
    check("1mi", QuantityError::Suffix);
    check("1e3Ki", QuantityError::Format);
    check(" 1", QuantityError::Format);
    check("1_0", QuantityError::Format);
    check("0x1", QuantityError::Format);
    check("1.2.3", QuantityError::Format);
    check("1e10000", QuantityError::Range);
    check("1e99999999999999999999", QuantityError::Suffix);
    check("1234567890123456789012345678901234567890", QuantityError::Range);
}

#[test]
fn kubernetes_prints_the_same() {
    for (written, want) in READ {
        assert_eq!(read(written).to_string(), *want, "{written}");
    }
}

#[test]
fn arithmetic_is_that_of_kubernetes() {
    for (left, right, order, sum, difference, product, quotient) in ARITHMETIC {
        let (a, b) = (read(left), read(right));
        assert_eq!(a.cmp(&b) as i32, *order, "{left} <=> {right}");
        assert_eq!(text(a.add(&b)), *sum, "{left} + {right}");
        assert_eq!(text(a.sub(&b)), *difference, "{left} - {right}");
        assert_eq!(text(a.mul(&b)), *product, "{left} * {right}");
        assert_eq!(text(a.div(&b)), *quotient, "{left} / {right}");
    }
}

#[test]
fn a_power_without_a_suffix_is_not_lost() {
    assert_eq!(read("100000000000000000000000").to_string(), "100e21");
    assert_eq!(text(read("1n").mul(&read("1u"))), "1e-15");
    assert_eq!(
        read(&read("100000000000000000000000").to_string()),
        read("100000000000000000000000")
    );
}

#[test]
fn numbers_are_equal_whatever_their_suffix() {
    for (a, b) in [("1Gi", "1024Mi"), ("1", "1000m"), ("1k", "1e3"), ("0", "-0"), ("1.50", "1500m")]
    {
        assert_eq!(read(a), read(b), "{a} {b}");
    }
    assert!(read("1e9000") > read("1E"));
    assert!(read("-1e9000") < read("1n"));
    assert!(read("9999Ei") == read("8Ei"));
}

#[test]
fn results_out_of_range_are_errors() {
    let large = read("1e9000");
    assert_eq!(large.add(&read("1")), Err(ArithmeticError::Range));
    assert_eq!(large.div(&read("1n")), Err(ArithmeticError::Range));
    assert_eq!(large.mul(&large).and_then(|q| q.mul(&large)), Err(ArithmeticError::Range));
    assert_eq!(read("1").div(&read("0")), Err(ArithmeticError::ZeroDivisor));
}

#[test]
fn other_forms_of_the_number_round_as_kubernetes_rounds() {
    assert_eq!(read("1500m").as_i64_rounded_up(), Some(2));
    assert_eq!(read("-1500m").as_i64_rounded_up(), Some(-2));
    assert_eq!(read("1e100").as_i64_rounded_up(), None);
    assert_eq!(read("8Ei").as_i64_rounded_up(), Some(i64::MAX));
    assert!((read("100m").as_f64() - 0.1).abs() < f64::EPSILON);
    assert!((read("1.5Gi").as_f64() - 1_610_612_736.0).abs() < f64::EPSILON);
}

proptest! {
    #[test]
    fn a_quantity_survives_its_text(written in "-?[0-9]{1,12}(\\.[0-9]{0,4})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]|e-[0-9])?") {
        let quantity = read(&written);
        prop_assert_eq!(read(&quantity.to_string()), quantity, "{} printed {}", written, quantity);
    }

    #[test]
    fn addition_commutes_and_subtraction_undoes_it(a in "[0-9]{1,9}(m|Mi|k)?", b in "-?[0-9]{1,9}(u|Gi|M)?") {
        let (a, b) = (read(&a), read(&b));
        prop_assert_eq!(a.add(&b).unwrap(), b.add(&a).unwrap());
        prop_assert_eq!(a.add(&b).unwrap().sub(&b).unwrap(), a);
        prop_assert_eq!(a.cmp(&b), a.sub(&b).unwrap().signum().cmp(&0));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+.0-9eEimkKn]{0,30}", other in "[-+.0-9eEiMGKn]{0,30}") {
        if let (Ok(a), Ok(b)) = (Quantity::parse(&text), Quantity::parse(&other)) {
            let _ = (a.to_string(), a.cmp(&b), a.add(&b), a.sub(&b), a.mul(&b), a.div(&b), a.as_f64(), a.as_i64_rounded_up());
        }
    }
}
