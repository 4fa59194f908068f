//! The day of each target (R32).

use super::*;

/// A day of a target with a quota of 1,000: so many calls in real time, and so many in batches.
fn day(real_time: u64, batch: u64) -> Provider {
    let row = |name: &str, records: u64, latency: &str| {
        format!(
            "{name},x,y,one-way,,{records},{latency},operational,no,change,9,,,reconciled,1,1000,\n"
        )
    };
    let rows = match (real_time, batch) {
        (0, batch) => row("b", batch, "1 d"),
        (real_time, 0) => row("r", real_time, "1 s"),
        both => row("r", both.0, "1 s") + &row("b", both.1, "1 d"),
    };
    planned(&rows).unwrap().providers.remove(0)
}

#[rstest]
// 30 % of 1,000 stay unused.
#[case::headroom(700, 0, 30, &[])]
#[case::no_headroom(701, 0, 29, &["701 calls a day of 1,000 leave 29 % headroom, at least 30 % must stay: at most 700 calls"])]
// 30 % of the 700 are kept for real-time.
#[case::batch_share(0, 490, 51, &[])]
#[case::more_than_the_batch_share(0, 491, 50, &["batch work makes 491 calls a day, and only 490 are not kept for real-time or as headroom"])]
#[case::both_shares(210, 490, 30, &[])]
#[case::real_time_beside_batch(211, 490, 29, &["701 calls a day of 1,000 leave 29 % headroom, at least 30 % must stay: at most 700 calls"])]
#[case::far_over(2_000, 491, 0, &[
    "2,491 calls a day of 1,000 leave 0 % headroom, at least 30 % must stay: at most 700 calls",
    "batch work makes 491 calls a day, and only 490 are not kept for real-time or as headroom",
])]
fn thirty_per_cent_stay_unused_and_batches_leave_the_share_of_real_time(
    #[case] real_time: u64,
    #[case] batch: u64,
    #[case] headroom: u64,
    #[case] faults: &[&str],
) {
    let provider = day(real_time, batch);
    assert_eq!(provider.real_time_calls, real_time);
    assert_eq!(provider.batch_calls, batch);
    assert_eq!(provider.headroom_percent, Some(headroom));
    assert_eq!(provider.batch_may_use, Some(490));
    assert_eq!(provider.faults, faults);
}

#[test]
fn a_bulk_pool_is_counted_apart() {
    let bulk = |quota: &str| {
        let row = format!(
            "a,x,y,one-way,,70001,12 h,operational,no,schedule,,2,yes,reconciled,,100,{quota}"
        );
        planned(&row).unwrap()
    };
    // Two runs of 35,001 records are two times four chunks.
    let plan = bulk("11");
    assert_eq!(plan.rows[0].bulk_chunks_a_day, 8);
    assert_eq!(plan.rows[0].calls_a_day, 0);
    let provider = &plan.providers[0];
    assert_eq!(
        provider.headroom_percent,
        Some(100),
        "no call of the other pool"
    );
    assert_eq!(
        provider.bulk,
        Some(BulkPool {
            quota_a_day: Some(11),
            chunks: 8,
            headroom_percent: Some(27)
        })
    );
    assert_eq!(
        provider.faults,
        [
            "8 bulk chunks a day of 11 leave 27 % headroom, at least 30 % must stay: at most 7 chunks"
        ]
    );
    assert!(bulk("12").fits());
    assert!(bulk("none").fits());
}

#[test]
fn a_target_without_a_quota_has_no_headroom_to_keep() {
    let row = "a,x,y,one-way,,1000000,1 s,operational,no,change,1,,,reconciled,1,none,";
    let plan = planned(row).unwrap();
    assert!(plan.fits());
    assert_eq!(plan.providers[0].quota_a_day, None);
    assert_eq!(plan.providers[0].headroom_percent, None);
}

#[test]
fn rows_that_give_one_target_two_quotas_are_refused() {
    let row = |name: &str, quota: &str| {
        format!("{name},x,y,one-way,,1,1 s,operational,no,change,1,,,reconciled,1,{quota},\n")
    };
    let rows = row("a", "1000") + &row("b", "2_000") + &row("c", "none") + &row("d", "1000");
    assert_eq!(
        planned(&rows).unwrap_err(),
        [
            "sheet.csv:3: `quota_a_day` of `b` is 2,000 here and 1,000 in sheet.csv:2: the target `y` has one quota",
            "sheet.csv:4: `quota_a_day` of `c` is none here and 1,000 in sheet.csv:2: the target `y` has one quota",
        ]
    );
}

#[test]
fn a_quota_of_a_flow_file_need_not_be_said_again_and_can_not_be_contradicted() {
    let row = |quota: &str| {
        format!(
            "{HEADER}\na,x,qualio,one-way,,10,1 d,operational,no,change,1,,,reconciled,,{quota},"
        )
    };
    let flows = flows(&[SUPPLIERS]);
    let plan_of = |quota: &str| plan(Some(("s.csv", &row(quota))), &flows);
    let silent = plan_of("").unwrap();
    assert_eq!(silent, plan_of("100000").unwrap());
    let provider = &silent.providers[0];
    assert_eq!(provider.quota_a_day, Some(100_000));
    // 10 records of the sheet and the two rows of the flow file, all of one target.
    assert_eq!(provider.batch_calls, 20 + 2_720);
    assert_eq!(provider.real_time_calls, 300);
    let mistakes = plan_of("5000").unwrap_err();
    assert_eq!(
        mistakes[0].to_string(),
        "s.csv:2: `quota_a_day` of `a` is 5,000 here and 100,000 in a flow file: the target `qualio` has one quota"
    );
}

#[test]
fn a_flow_file_that_keeps_less_than_thirty_per_cent_is_told() {
    let text = SUPPLIERS.replace(
        "day = { calls = 100_000 }",
        "day = { calls = 100_000, headroom_percent = 10, real_time_percent = 29 }",
    );
    let plan = plan(None, &flows(&[&text])).unwrap();
    assert_eq!(
        plan.providers[0].faults,
        [
            "`headroom_percent` in the flow file is 10: make it at least 30",
            "`real_time_percent` in the flow file is 29: make it at least 30",
        ]
    );
}
