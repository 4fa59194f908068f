//! Orders from a web shop to our store and on to Snowflake, by the real program: with bad rows among
//! them, killed while it reads and while it loads, and read again. Count and content of the orders agree
//! in all three, and so do the checksums of store and warehouse.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    shopify::{Access, ShopifyConfig, ShopifyDouble},
};

use super::machine::{Program, now_ms, until};
use crate::{
    binaries::{command, repository},
    snowflake::double::SnowflakeDouble,
};

const ORDERS: u64 = 2_000;
/// 1 %.
const BAD_EVERY: u64 = 100;
const LIMIT: Duration = Duration::from_mins(3);
const FLOW: &str = "/v1/flows/orders-shopify";

/// Shop, warehouse, and where the program works.
struct Systems {
    shop: ShopifyDouble,
    warehouse: SnowflakeDouble,
    staged: PathBuf,
    folder: tempfile::TempDir,
}

impl Systems {
    async fn new() -> Self {
        let config = ShopifyConfig::new(Arc::new(now_ms), "shop-token").orders(3, ORDERS);
        let shop = ShopifyDouble::start(config.access(Access::AllOrders));
        let shop = shop.await.unwrap();
        for number in (1..=ORDERS).filter(|number| number % BAD_EVERY == 0) {
            shop.change(ShopifyDouble::id_of(number), |order| {
                order.insert("name".to_owned(), json!(""));
            })
            .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path().join("staged");
        fs::create_dir(&staged).unwrap();
        Self {
            warehouse: SnowflakeDouble::watching(&staged),
            shop,
            staged,
            folder,
        }
    }

    fn start(&self) -> Program {
        let spec = self.warehouse.spec("");
        let given = [
            ("TIDEGATE_VAR_SHOPIFY_URL", self.shop.url()),
            ("TIDEGATE_SECRET_SHOPIFY_TOKEN", "shop-token".to_owned()),
            (
                "TIDEGATE_VAR_STAGED_FILES",
                self.staged.display().to_string(),
            ),
            (
                "TIDEGATE_VAR_SNOWFLAKE_URL",
                self.warehouse.url().to_owned(),
            ),
            ("TIDEGATE_VAR_SNOWFLAKE_ACCOUNT", spec.account),
            (
                "TIDEGATE_SECRET_SNOWFLAKE_KEY",
                self.warehouse.private_key().to_owned(),
            ),
        ];
        let flow = repository().join("infra/flows/examples/orders-shopify.toml");
        let data = self.folder.path().join("data");
        Program::start(&command(), &flow, &data, &given)
    }

    /// Number and total of each order that is right, by id.
    fn in_the_shop(&self) -> BTreeMap<String, (String, String)> {
        let orders = (1..=ORDERS).filter(|number| number % BAD_EVERY != 0);
        let orders = orders.map(|number| {
            let id = ShopifyDouble::id_of(number);
            let order = self.shop.order(id).unwrap();
            let of = |field: &str| order[field].as_str().unwrap().to_owned();
            (id.to_string(), (of("name"), of("total_price")))
        });
        orders.collect()
    }

    async fn in_the_warehouse(&self) -> BTreeMap<String, (String, String)> {
        let rows = self.warehouse.sql(
            "SELECT record_key, fields:number::VARCHAR, fields:total::VARCHAR FROM TIDEGATE.MARKET.RECORDS",
        );
        let rows = rows.await.into_iter().map(|mut row| {
            let total = row.pop().unwrap().unwrap();
            let number = row.pop().unwrap().unwrap();
            (row.pop().unwrap().unwrap(), (number, total))
        });
        rows.collect()
    }
}

async fn in_our_store(program: &Program) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let mut path = format!("{FLOW}/records?limit=100");
    loop {
        let page = program.get(&path).await;
        for record in page["items"].as_array().unwrap() {
            if record["state"] == "applied" {
                let of = |field: &str| record["fields"][field].as_str().unwrap().to_owned();
                let key = record["key"].as_str().unwrap().to_owned();
                found.insert(key, (of("number"), of("total")));
            }
        }
        match page["next"].as_str() {
            Some(next) => path = format!("{FLOW}/records?limit=100&cursor={next}"),
            None => return found,
        }
    }
}

async fn a_complete_run(program: &Program, after: &Value) -> Value {
    until("a run is complete", LIMIT, async || {
        let run = program.health().await["items"][0]["last_run"].clone();
        (run["ended"] == "complete" && run["started"] != after["started"]).then_some(run)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_checksums_agree_after_bad_rows_kills_and_a_repeat() {
    let systems = Systems::new().await;
    let mut program = systems.start();
    let kill = Fault::new(Action::KillPid(program.pid()))
        .at(Point::BeforeAct)
        .method("GET")
        .nth(5);
    systems.shop.set_fault(kill).unwrap();
    until("it was killed as it read", LIMIT, async || {
        program.has_ended().then_some(())
    })
    .await;
    systems.shop.clear_faults();

    program = systems.start();
    let first = a_complete_run(&program, &Value::Null).await;
    program.post(&format!("{FLOW}/warehouse")).await;
    until("a file was put", LIMIT, async || {
        let files = systems.staged.join("orders-shopify");
        fs::read_dir(files).ok()?.next().map(drop)
    })
    .await;
    program.kill();

    let program = systems.start();
    program.post(&format!("{FLOW}/runs")).await;
    a_complete_run(&program, &first).await;
    let comparison = until("store and warehouse agree", LIMIT, async || {
        program.post(&format!("{FLOW}/warehouse")).await;
        let comparison = program.get(&format!("{FLOW}/warehouse")).await["comparison"].clone();
        let held = comparison["warehouse"]["held"].as_u64();
        (comparison["agrees"] == true && held > Some(0)).then_some(comparison)
    })
    .await;

    let right = systems.in_the_shop();
    let held = u64::try_from(right.len()).unwrap();
    assert_eq!(held, ORDERS - ORDERS / BAD_EVERY);
    assert_eq!(in_our_store(&program).await, right);
    assert_eq!(systems.in_the_warehouse().await, right);
    assert_eq!(comparison["registers"]["held"], held);
    assert_eq!(comparison["warehouse"], comparison["registers"]);
    assert_eq!(comparison["found"]["waiting"], ORDERS / BAD_EVERY);
    let backlog = program.health().await["items"][0]["backlog"].clone();
    assert_eq!(
        backlog["in_review"],
        ORDERS / BAD_EVERY,
        "each bad row is with a person"
    );
}
