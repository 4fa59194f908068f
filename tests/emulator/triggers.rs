//! Each function by what starts it in the template: what the journeys do not start so, and a flow file whose
//! `[[trigger]]` is deployed by its rendered rule.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    stack::{FILES_BUCKET, RunBy},
    until::until,
    world::{FLOW, World, scheduled_now},
};

const FEW: u32 = 6;
const LIMIT: Duration = Duration::from_mins(2);

/// Put into the flow file: an event of the ERP that starts a batch.
const TRIGGER: (&str, &str) = (
    "\n[schedule]\n",
    "\n[[trigger]]\nsource = \"erp\"\ndetail_type = \"end of day\"\ndetail = { \"/company\" = [\"1000\"] }\n\n[schedule]\n",
);

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_rules_of_the_template_start_what_they_name() {
    let place = format!("s3://{FILES_BUCKET}/in/");
    let invoices = ("invoices.toml", ("INVOICES", place.as_str()));
    let world = World::with_warehouse(RunBy::Emulator, FEW, &[TRIGGER], Some(invoices)).await;
    an_event_of_the_erp_starts_a_batch(&world).await;
    world.drained(LIMIT).await;
    a_file_that_lands_in_the_bucket_is_read(&world).await;
    what_is_applied_reaches_the_warehouse(&world).await;

    let path = |verb: &str| format!("/v1/flows/{FLOW}/{verb}");
    // What the API asks for, a rule brings to the function.
    for (verb, function, body) in [
        ("runs", "batch-sync", json!({})),
        ("reconcile", "reconcile", json!({})),
        ("audit", "quality-audit", json!({})),
    ] {
        let before = starts(&world, function).await;
        assert_eq!(world.post(&path(verb), &body).await, 202);
        is_started(&world, function, before, verb).await;
    }
    let pause = json!({"by": "ada", "reason": "audit", "scope": "target"});
    assert_eq!(world.post(&path("pause"), &pause).await, 200);
    let before = starts(&world, "tick").await;
    let resume = json!({"by": "ada"});
    assert_eq!(world.post(&path("resume"), &resume).await, 200);
    is_started(&world, "tick", before, "resume").await;

    // Ticks come last, since they start what is due.
    let daily = format!("{FLOW}-reconcile");
    for (schedule, function) in [(daily.as_str(), "reconcile"), ("tick", "tick")] {
        let before = starts(&world, function).await;
        world.stack.fire_schedule(schedule, &scheduled_now()).await;
        is_started(&world, function, before, schedule).await;
    }
}

/// One that the flow file names starts it; one of another company starts nothing.
async fn an_event_of_the_erp_starts_a_batch(world: &World) {
    for company in ["2000", "1000"] {
        let entry = json!({
            "EventBusName": world.stack.output("BusName"),
            "Source": "erp",
            "DetailType": "end of day",
            "Detail": json!({ "company": company }).to_string(),
        });
        let wire = world.stack.wire();
        let put = wire
            .json(
                "events",
                "AWSEvents.PutEvents",
                &json!({"Entries": [entry]}),
            )
            .await;
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
    }
    let all = world.keys_in_erp();
    until("every supplier stands in Qualio", LIMIT, || async {
        (world.keys_in_qualio() == all).then_some(())
    })
    .await;
    assert_eq!(starts(world, "batch-sync").await, 1);
}

/// A load puts a file into the bucket, as the role of its function may; the pipe lands it, and the next
/// load merges it. Counts and checksums of both sides are the same.
async fn what_is_applied_reaches_the_warehouse(world: &World) {
    let snowflake = world.snowflake.as_ref().expect("the double of Snowflake");
    let load = json!({"flow": FLOW, "compare": true});
    let report = world.stack.invoke("WarehouseName", &load).await;
    assert_eq!(report["counts"]["loaded"], FEW, "{report}");
    let wire = world.stack.wire();
    let listing = wire
        .get_object(&format!("/{FILES_BUCKET}?list-type=2&prefix=staged/"))
        .await;
    let listing = String::from_utf8(listing).expect("XML");
    let landed = TempDir::new().expect("a folder");
    for part in listing.split("<Key>").skip(1) {
        let key = part.split('<').next().unwrap_or_default();
        let bytes = wire.get_object(&format!("/{FILES_BUCKET}/{key}")).await;
        let name = key.replace('/', "-");
        fs::write(landed.path().join(name), bytes).expect("a file");
    }
    let read = snowflake.ingest(landed.path()).await;
    assert_eq!(read.len(), 1, "{read:?}");
    let path = format!("/v1/flows/{FLOW}/warehouse");
    assert_eq!(world.post(&path, &json!({})).await, 202);
    let found = until("both sides agree", LIMIT, || async {
        let found = world.read(&path).await["comparison"].clone();
        (found["agrees"] == true).then_some(found)
    })
    .await;
    assert_eq!(found["warehouse"]["held"], FEW, "{found}");
    assert_eq!(found["warehouse"], found["registers"]);
}

/// A batch reads what lies in the bucket, as the role of its function may.
async fn a_file_that_lands_in_the_bucket_is_read(world: &World) {
    let wire = world.stack.wire();
    wire.put_object(&format!("/{FILES_BUCKET}"), Vec::new())
        .await;
    let text = "number,supplier,issued,due,currency,total,status\n\
        R-1,Acme,2026-11-19 09:30,,EUR,\"10,50\",open\n\
        R-2,Acme\n\
        R-3,Acme,2026-11-19 09:30,,EUR,7,paid\n";
    for name in [
        "in/2026-11-19.csv",
        "in/other.txt",
        "elsewhere/2026-11-19.csv",
    ] {
        let path = format!("/{FILES_BUCKET}/{name}");
        wire.put_object(&path, text.as_bytes().to_vec()).await;
    }
    // What S3 tells of it comes by a rule as any other event, and nobody but AWS may send that: here the
    // batch is asked for.
    assert_eq!(world.post("/v1/flows/invoices/runs", &json!({})).await, 202);
    let records = "/v1/flows/invoices/records";
    until("the invoices are there", LIMIT, || async {
        let page = world.read(records).await;
        (page["items"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    let record = world.read(&format!("{records}/R-1")).await;
    assert_eq!(record["fields"]["total"], "10.50", "{record}");
    let reviews = world.read("/v1/reviews").await;
    let reasons: Vec<&Value> = reviews["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|review| review["flow"] == "invoices")
        .map(|review| &review["cause"]["reason"])
        .collect();
    assert_eq!(
        reasons,
        ["line 3 of 2026-11-19.csv: it has 2 fields, and the file 7 columns"]
    );
}

/// Waits until a function is started once more than before.
async fn is_started(world: &World, function: &str, before: usize, by: &str) {
    until(&format!("{function} is started by {by}"), LIMIT, || async {
        (starts(world, function).await > before).then_some(())
    })
    .await;
}

/// How often a function was started, by what Lambda itself logs.
async fn starts(world: &World, function: &str) -> usize {
    let group = world.stack.log_group(function);
    let lines = world.stack.wire().log_lines(&group).await;
    let starts = lines
        .iter()
        .filter(|line| line.starts_with("START RequestId"));
    starts.count()
}
