use rstest::rstest;
use serde_json::{Value, json};

use super::*;

#[rstest]
#[case::ok(200, ErrorAction::Ok)]
#[case::no_content(204, ErrorAction::Ok)]
#[case::moved(301, ErrorAction::Review)]
#[case::bad_request(400, ErrorAction::Review)]
#[case::unauthorised(401, ErrorAction::Blocked)]
#[case::forbidden(403, ErrorAction::Blocked)]
#[case::not_found(404, ErrorAction::Missing)]
#[case::request_timeout(408, ErrorAction::Retry)]
#[case::conflict(409, ErrorAction::Review)]
#[case::gone(410, ErrorAction::Missing)]
#[case::precondition(412, ErrorAction::Stale)]
#[case::unprocessable(422, ErrorAction::Review)]
#[case::too_early(425, ErrorAction::Retry)]
#[case::too_many(429, ErrorAction::Defer)]
#[case::server_error(500, ErrorAction::Retry)]
#[case::unavailable(503, ErrorAction::Retry)]
#[case::last_server_error(599, ErrorAction::Retry)]
#[case::no_status(0, ErrorAction::Review)]
fn a_status_means_what_http_says(#[case] status: u16, #[case] action: ErrorAction) {
    assert_eq!(classify(&[], status, None), action);
}

fn row(status: Option<u16>, code: Option<(&str, Option<&str>)>, action: ErrorAction) -> ErrorRow {
    ErrorRow {
        status,
        code_at: code.map(|(at, _)| at.to_owned()),
        code: code.and_then(|(_, code)| code.map(str::to_owned)),
        action,
    }
}

#[rstest]
#[case::the_quota_is_used_up(403, json!([{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]), ErrorAction::Defer)]
#[case::another_code(403, json!([{"errorCode": "INSUFFICIENT_ACCESS"}]), ErrorAction::Blocked)]
#[case::no_body(403, Value::Null, ErrorAction::Blocked)]
#[case::a_number_as_code(400, json!({"code": 42}), ErrorAction::Retry)]
#[case::any_code_there(418, json!({"fault": {"x": 1}}), ErrorAction::Missing)]
#[case::no_code_there(418, json!({}), ErrorAction::Review)]
#[case::every_status(200, json!({"code": "locked"}), ErrorAction::Stale)]
fn a_providers_own_rows_come_first(
    #[case] status: u16,
    #[case] body: Value,
    #[case] action: ErrorAction,
) {
    let rows = [
        row(
            Some(403),
            Some(("/0/errorCode", Some("REQUEST_LIMIT_EXCEEDED"))),
            ErrorAction::Defer,
        ),
        row(Some(400), Some(("/code", Some("42"))), ErrorAction::Retry),
        row(Some(418), Some(("/fault", None)), ErrorAction::Missing),
        row(None, Some(("/code", Some("locked"))), ErrorAction::Stale),
    ];
    assert_eq!(classify(&rows, status, Some(&body)), action);
}

#[test]
fn the_first_row_that_fits_decides() {
    let rows = [
        row(Some(500), None, ErrorAction::Review),
        row(Some(500), None, ErrorAction::Ok),
    ];
    assert_eq!(classify(&rows, 500, None), ErrorAction::Review);
}
