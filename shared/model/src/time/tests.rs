use super::*;

#[test]
fn time_saturates_and_never_wraps() {
    let end = UnixMs(i64::MAX);
    assert_eq!(end + Duration::from_secs(1), end);
    assert_eq!(UnixMs(i64::MIN) - Duration::from_secs(1), UnixMs(i64::MIN));
    assert_eq!(UnixMs::EPOCH + Duration::MAX, end);
    assert_eq!(
        end.since(UnixMs(i64::MIN)),
        Duration::from_millis(i64::MAX as u64)
    );
}

#[test]
fn a_span_is_counted_in_milliseconds_and_is_never_negative() {
    let noon = UnixMs(1_000);
    assert_eq!(
        (noon + Duration::from_micros(1_999)).since(noon),
        Duration::from_millis(1)
    );
    assert_eq!(noon.since(noon + Duration::from_secs(1)), Duration::ZERO);
    assert_eq!(noon - Duration::from_secs(2), UnixMs(-1_000));
}
