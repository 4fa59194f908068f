//! A JSON API that nobody has seen before: TOML alone, and nothing that it does goes by unnamed.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tidegate_engine::RunEnd;

use crate::{
    pages::{Pages, Way},
    place::Hands,
};

#[rstest]
#[case::a_header(Way::Header)]
#[case::an_opaque_cursor_in_the_body(Way::Body)]
#[case::a_link(Way::Link)]
#[tokio::test]
async fn an_api_that_pages_by_it_and_filters_by_since_is_read_whole_and_then_what_is_new(
    #[case] way: Way,
) {
    let hands = Hands::new();
    let pages = Pages::start(way, None).await;
    let place = pages.place(&hands, "", &[]);
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    let totals: Vec<_> = place.field("total").into_values().collect();
    assert_eq!(
        totals,
        ["0.00", "1.00", "2.00", "3.00", "4.00"].map(|text| json!(text))
    );
    assert_eq!(pages.calls().len(), 3);
    place.clock.advance(Duration::from_mins(15));
    let report = place.run().await;
    assert_eq!((report.end, report.counts.staged), (RunEnd::Complete, 0));
    assert_eq!(pages.calls().len(), 4, "{:?}", pages.calls());
}

#[rstest]
#[case::away(
    Way::LinkAway,
    "the next page leaves the origin of the listing for http://elsewhere.example, so it is not read"
)]
#[case::another_port(
    Way::LinkToAnotherPort,
    "the next page leaves the origin of the listing for http://127.0.0.1:9, so it is not read"
)]
#[tokio::test]
async fn a_link_that_leaves_its_origin_stops_the_flow(#[case] way: Way, #[case] told: &str) {
    let hands = Hands::new();
    let pages = Pages::start(way, None).await;
    let place = pages.place(&hands, "", &[]);
    let report = place.run_part().await;
    assert!(
        !matches!(report.end, RunEnd::Complete | RunEnd::Continues),
        "{report:?}"
    );
    assert_eq!(place.blocked(), [format!("shop: {told}")]);
    assert_eq!(pages.calls().len(), 1);
}

#[rstest]
#[case::to_itself(Way::LinkToItself, "never end")]
#[case::in_a_circle(Way::LinkInACircle, "goes round")]
#[case::html(Way::Html, "not JSON")]
#[case::announced(Way::Announced20Gb, "larger than")]
#[case::blanks(Way::BlanksWithoutEnd, "larger than")]
#[case::packed(Way::GzipBomb, "larger than")]
#[tokio::test]
async fn an_answer_that_is_no_page_interrupts_the_run_and_moves_no_watermark(
    #[case] way: Way,
    #[case] told: &str,
) {
    let hands = Hands::new();
    let pages = Pages::start(way, None).await;
    let place = pages.place(&hands, "", &[]);
    let report = place.run_part().await;
    let report = match report.end {
        // The first page was good.
        RunEnd::Continues => place.run_part().await,
        _ => report,
    };
    let RunEnd::Interrupted { reason } = &report.end else {
        panic!("{report:?}");
    };
    assert!(reason.contains(told), "{reason}");
    assert!(report.counts.received <= 8);
}

#[tokio::test]
async fn pages_that_never_end_are_cut_at_the_run_s_limit() {
    let hands = Hands::new();
    let pages = Pages::start(Way::LinkWithoutEnd, None).await;
    let place = pages.place(&hands, "", &[]);
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Cut, "{report:?}");
}

#[tokio::test]
async fn a_bad_row_is_rejected_by_itself_and_the_good_ones_go_on() {
    let hands = Hands::new();
    let pages = Pages::start(Way::BadRow, None).await;
    let place = pages.place(&hands, "", &[]);
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    let counts = report.counts;
    assert_eq!((counts.received, counts.staged, counts.rejected), (5, 4, 1));
}

#[tokio::test]
async fn what_one_listing_lacks_and_the_next_one_has_is_not_gone() {
    let hands = Hands::new();
    let pages = Pages::start(Way::Forgets, None).await;
    let place = pages.place(&hands, "", &[]);
    assert_eq!(place.run().await.end, RunEnd::Complete);
    place.clock.advance(Duration::from_mins(1));
    let findings = place.reconcile().await;
    assert_eq!(
        (findings.compared, findings.deleted_at_source),
        (5, 0),
        "{findings:?}"
    );
    assert_eq!(
        pages.calls().len(),
        3 * 3,
        "pages of a run and of two listings"
    );
    let gone = place
        .registers()
        .into_values()
        .filter(|register| register.desired.content.fields().is_none());
    assert_eq!(gone.count(), 0);
}
