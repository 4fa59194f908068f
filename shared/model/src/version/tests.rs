use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn version(source: u64, revision: u32, read: u64) -> Version {
    Version {
        source: SourceVersion(source),
        revision,
        read,
    }
}

#[rstest]
#[case::source_first(version(2, 0, 0), version(1, 9, 9))]
#[case::then_revision(version(1, 2, 0), version(1, 1, 9))]
#[case::then_read(version(1, 1, 2), version(1, 1, 1))]
#[case::ten_after_nine(version(10, 0, 0), version(9, 0, 0))]
fn versions_are_ordered_by_source_revision_and_read_reg_1(
    #[case] newer: Version,
    #[case] older: Version,
) {
    assert!(newer > older);
    assert!(newer.encode() > older.encode());
}

#[rstest]
#[case::empty("")]
#[case::no_number("00000000000000000001.0000000001.x")]
#[case::two_parts("00000000000000000001.0000000001")]
#[case::four_parts("00000000000000000001.0000000001.00000000000000000001.1")]
#[case::narrow("1.1.1")]
#[case::wide("000000000000000000001.0000000001.00000000000000000001")]
#[case::sign("+0000000000000000001.0000000001.00000000000000000001")]
#[case::too_large("99999999999999999999.0000000001.00000000000000000001")]
fn a_text_that_would_sort_wrongly_is_no_version(#[case] text: &str) {
    assert_eq!(Version::decode(text), Err(VersionError(text.to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_stored_text_sorts_as_the_version_does_reg_1(
        a: (u64, u32, u64),
        b: (u64, u32, u64),
        same_source: bool,
        same_revision: bool,
    ) {
        let one = version(a.0, a.1, a.2);
        let other = version(
            if same_source { a.0 } else { b.0 },
            if same_revision { a.1 } else { b.1 },
            b.2,
        );
        prop_assert_eq!(one.cmp(&other), one.encode().as_bytes().cmp(other.encode().as_bytes()));
        prop_assert_eq!(Version::decode(&one.encode()), Ok(one));
    }
}
