//! The shop, sent raw over HTTP. The refusals have their own table.

use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Access, ShopifyConfig, ShopifyDouble, unprocessable};
use crate::doubles::{
    Quota,
    tests::{NOON_MS, StandingClock, client},
};

pub(super) const ORDERS: &str = "/admin/api/2026-07/orders.json";
pub(super) const TOKEN: &str = "shop-token";
const DAY_MS: i64 = 24 * 3_600 * 1_000;

pub(super) fn config(clock: &StandingClock) -> ShopifyConfig {
    ShopifyConfig::new(clock.clock(), TOKEN).orders(7, 40)
}

async fn start(config: ShopifyConfig) -> ShopifyDouble {
    ShopifyDouble::start(config).await.unwrap()
}

async fn shop() -> (ShopifyDouble, StandingClock) {
    let clock = StandingClock::new(NOON_MS);
    (start(config(&clock).quota(Quota::CountOnly)).await, clock)
}

/// Sends a request as it is, with this token where it is not empty.
pub(super) async fn raw(
    shop: &ShopifyDouble,
    (method, path): (&str, &str),
    token: &str,
) -> (u16, HeaderMap, Value) {
    let url = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}{path}", shop.url())
    };
    let mut request = client().request(method.parse().unwrap(), url);
    if !token.is_empty() {
        request = request.header("X-Shopify-Access-Token", token);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    (status, headers, serde_json::from_str(&text).unwrap())
}

async fn get(shop: &ShopifyDouble, path: &str) -> (HeaderMap, Value) {
    let (status, headers, body) = raw(shop, ("GET", path), TOKEN).await;
    assert_eq!(status, 200, "{path}: {body}");
    (headers, body)
}

fn names(page: &Value) -> Vec<&str> {
    let orders = page["orders"].as_array().unwrap().iter();
    orders
        .map(|order| order["name"].as_str().unwrap())
        .collect()
}

/// Where the `Link` header leads.
fn link(headers: &HeaderMap, rel: &str) -> Option<String> {
    let links = headers.get("link")?.to_str().unwrap();
    let found = links
        .split(", ")
        .find(|link| link.ends_with(&format!("rel=\"{rel}\"")));
    let (url, _) = found?.strip_prefix('<')?.split_once('>')?;
    Some(url.to_owned())
}

/// Every name of a listing, page by page.
async fn followed(shop: &ShopifyDouble, path: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (headers, page) = get(shop, &path).await;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        next = link(&headers, "next");
    }
    seen
}

#[tokio::test]
async fn a_listing_is_followed_by_its_links_to_the_end_and_back() {
    let (shop, _) = shop().await;
    let first = format!("{ORDERS}?status=any&limit=15&order=updated_at+asc&fields=id,name");
    let (headers, one) = get(&shop, &first).await;
    assert_eq!((names(&one)[0], names(&one)[14]), ("#1001", "#1015"));
    assert_eq!(one["orders"][0].as_object().unwrap().len(), 2, "fields");
    assert_eq!(link(&headers, "previous"), None);
    let (headers, two) = get(&shop, &link(&headers, "next").unwrap()).await;
    assert_eq!((names(&two)[0], names(&two)[14]), ("#1016", "#1030"));
    assert_eq!(two["orders"][0].as_object().unwrap().len(), 2, "still");
    let (end, three) = get(&shop, &link(&headers, "next").unwrap()).await;
    assert_eq!((names(&three)[0], names(&three).len()), ("#1031", 10));
    assert_eq!(link(&end, "next"), None);
    let (headers, back) = get(&shop, &link(&headers, "previous").unwrap()).await;
    assert_eq!(back, one);
    assert_eq!(link(&headers, "previous"), None);
    assert!(link(&headers, "next").is_some());
}

#[tokio::test]
async fn a_listing_that_fits_one_page_has_no_link() {
    let (shop, _) = shop().await;
    let (headers, page) = get(&shop, &format!("{ORDERS}?status=any&limit=40")).await;
    assert_eq!(names(&page).len(), 40);
    assert_eq!(
        names(&page)[0],
        "#1040",
        "the newest first where nothing is said"
    );
    assert!(!headers.contains_key("link"));
}

#[tokio::test]
async fn a_status_is_open_unless_another_is_named() {
    let (shop, _) = shop().await;
    let mut counts = Vec::new();
    for status in ["", "?status=open", "?status=closed", "?status=cancelled"] {
        let (_, page) = get(&shop, &format!("{ORDERS}{status}")).await;
        counts.push(names(&page).len());
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[1..].iter().sum::<usize>(), 40);
    assert!(counts[1..].iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn a_change_moves_an_order_to_the_end_and_is_seen_from_its_second_on() {
    let (shop, clock) = shop().await;
    let id = ShopifyDouble::id_of(3);
    clock.set(NOON_MS + 5_400);
    let changed = shop.change(id, |order| {
        order.insert("note".to_owned(), json!("ring twice"));
        order.insert("updated_at".to_owned(), json!("never"));
    });
    // Noon of the tests in Berlin's summer time, cut to the second.
    let at = changed.unwrap()["updated_at"].as_str().unwrap().to_owned();
    assert_eq!(at, "2026-09-21T16:13:25+02:00");
    let since = |at: &str| {
        let at = at.replace('+', "%2B");
        format!("{ORDERS}?status=any&order=updated_at%20asc&updated_at_min={at}")
    };
    let (_, page) = get(&shop, &since(&at)).await;
    assert_eq!(names(&page), ["#1003"]);
    assert_eq!(page["orders"][0]["note"], "ring twice");
    let (_, page) = get(&shop, &since("2026-09-21T14:13:26Z")).await;
    assert_eq!(names(&page), [""; 0]);
    let all = followed(
        &shop,
        &format!("{ORDERS}?status=any&order=updated_at+asc&limit=7"),
    )
    .await;
    assert_eq!((all.len(), all[39].as_str()), (40, "#1003"));
}

#[tokio::test]
async fn orders_are_added_deleted_and_committed_late() {
    let (shop, clock) = shop().await;
    clock.set(NOON_MS + 1_000);
    let added = shop.add(|order| {
        order.insert("email".to_owned(), json!("new@mail.example"));
    });
    assert_eq!(
        (&added["name"], &added["email"]),
        (&json!("#1041"), &json!("new@mail.example"))
    );
    let id = added["id"].as_u64().unwrap();
    let one = format!("/admin/api/2026-07/orders/{id}.json");
    let (_, shown) = get(&shop, &one).await;
    assert_eq!(shown["order"], added);
    let late = shop.change_at(id, NOON_MS - DAY_MS, |_| {}).unwrap();
    assert!(late["updated_at"].as_str() < added["created_at"].as_str());
    assert!(shop.delete(id) && !shop.delete(id));
    assert_eq!(raw(&shop, ("GET", &one), TOKEN).await.0, 404);
    assert_eq!(shop.order(id), None);
    assert_eq!(shop.change(id, |_| {}), None);
    assert_eq!(
        shop.add(|_| {})["name"],
        "#1042",
        "an id is not given twice"
    );
}

#[tokio::test]
async fn a_shop_is_changed_over_http() {
    let (shop, _) = shop().await;
    let send = async |path: &str, body: Value| {
        let url = format!("{}/_double/{path}", shop.url());
        let request = client()
            .post(url)
            .header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let id = ShopifyDouble::id_of(5);
    let set = json!({ "customer": { "email": "moved@mail.example" } });
    let (status, order) = send("change", json!({ "id": id, "set": set })).await;
    assert_eq!(
        (status, &order["customer"]["email"]),
        (200, &json!("moved@mail.example"))
    );
    assert!(
        order["customer"]["first_name"].is_string(),
        "merged, not replaced"
    );
    let (status, order) = send("insert", json!({})).await;
    assert_eq!((status, &order["name"]), (200, &json!("#1041")));
    assert_eq!(send("delete", json!({ "id": id })).await.0, 200);
    assert_eq!(send("delete", json!({ "id": id })).await.0, 404);
    assert!(shop.calls().is_empty());
}

#[tokio::test]
async fn orders_are_the_same_for_the_same_seed_and_fit_together() {
    let (one, _) = shop().await;
    let (two, _) = shop().await;
    let path = format!("{ORDERS}?status=any&limit=250");
    let (_, page) = get(&one, &path).await;
    assert_eq!(page, get(&two, &path).await.1);
    for order in page["orders"].as_array().unwrap() {
        let cents = |text: &Value| {
            text.as_str()
                .unwrap()
                .replace('.', "")
                .parse::<u64>()
                .unwrap()
        };
        let lines = order["line_items"].as_array().unwrap();
        let sum = lines
            .iter()
            .map(|line| cents(&line["price"]) * line["quantity"].as_u64().unwrap());
        assert_eq!(sum.sum::<u64>(), cents(&order["total_price"]));
        assert!(order["created_at"].as_str().unwrap().ends_with("+02:00"));
        let is_closed = !order["closed_at"].is_null();
        assert_eq!(is_closed, order["fulfillment_status"] == "fulfilled");
        assert!(
            order["customer"]["email"]
                .as_str()
                .unwrap()
                .ends_with("@mail.example")
        );
    }
}

#[tokio::test]
async fn forty_calls_go_at_once_then_two_a_second_and_429_says_when() {
    let clock = StandingClock::new(NOON_MS);
    let shop = start(config(&clock)).await;
    let path = format!("{ORDERS}?limit=1");
    for used in 1..=40 {
        let (headers, _) = get(&shop, &path).await;
        assert_eq!(
            headers["x-shopify-shop-api-call-limit"],
            format!("{used}/40")
        );
    }
    let (status, headers, body) = raw(&shop, ("GET", &path), TOKEN).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (429, &"2.0".parse().unwrap())
    );
    assert_eq!(headers["x-shopify-shop-api-call-limit"], "40/40");
    assert!(
        body["errors"]
            .as_str()
            .unwrap()
            .starts_with("Exceeded 2 calls per second")
    );
    clock.set(NOON_MS + 499);
    assert_eq!(raw(&shop, ("GET", &path), TOKEN).await.0, 429);
    clock.set(NOON_MS + 2_000);
    let (headers, _) = get(&shop, &path).await;
    assert_eq!(headers["x-shopify-shop-api-call-limit"], "37/40");
    assert_eq!(shop.calls().len(), 43);
}

#[rstest]
#[case::none(Access::NoOrders, 403, 403)]
#[case::sixty_days(Access::Orders, 404, 200)]
#[case::all(Access::AllOrders, 200, 200)]
#[tokio::test]
async fn what_is_older_than_sixty_days_needs_leave_for_all_orders(
    #[case] access: Access,
    #[case] oldest: u16,
    #[case] newest: u16,
) {
    let (shop, clock) = shop().await;
    shop.set_access(access);
    clock.set(NOON_MS + 30 * DAY_MS);
    for (number, expected) in [(1, oldest), (40, newest)] {
        let id = ShopifyDouble::id_of(number);
        let path = format!("/admin/api/2026-07/orders/{id}.json?fields=id");
        assert_eq!(
            raw(&shop, ("GET", &path), TOKEN).await.0,
            expected,
            "{number}"
        );
    }
    let path = format!("{ORDERS}?status=any&limit=250");
    let (status, _, page) = raw(&shop, ("GET", &path), TOKEN).await;
    if status == 200 {
        let is_all = names(&page).len() == 40;
        assert_eq!(is_all, access == Access::AllOrders);
    }
}

#[rstest]
#[case::named("/admin/api/2026-07/orders.json", 200)]
#[case::retired("/admin/api/2019-04/orders.json", 200)]
#[case::none("/admin/orders.json", 200)]
#[case::not_yet("/admin/api/2026-10/orders.json", 404)]
#[case::no_version("/admin/api/latest/orders.json", 404)]
#[tokio::test]
async fn a_retired_version_is_answered_by_the_one_that_is_served(
    #[case] path: &str,
    #[case] expected: u16,
) {
    let (shop, _) = shop().await;
    let (status, headers, _) = raw(&shop, ("GET", path), TOKEN).await;
    assert_eq!(status, expected);
    assert_eq!(headers["x-shopify-api-version"], "2026-07");
}

#[tokio::test]
async fn a_million_orders_are_paged_from_any_place() {
    let clock = StandingClock::new(NOON_MS);
    let config = config(&clock).orders(7, 1_000_000);
    let shop = start(config).await;
    let newest = shop.order(ShopifyDouble::id_of(1_000_000)).unwrap();
    let since = newest["updated_at"].as_str().unwrap().replace('+', "%2B");
    let path = format!("{ORDERS}?status=any&order=updated_at+asc&updated_at_min={since}&limit=250");
    let (headers, page) = get(&shop, &path).await;
    // Some share their second.
    assert!(
        (1..=10).contains(&names(&page).len()),
        "{}",
        names(&page).len()
    );
    assert!(names(&page).contains(&"#1001000"));
    assert!(!headers.contains_key("link"));
    let (headers, _) = get(&shop, &format!("{ORDERS}?status=any&order=updated_at+asc")).await;
    let (_, page) = get(&shop, &link(&headers, "next").unwrap()).await;
    assert_eq!(names(&page)[0], "#1051");
}

#[tokio::test]
async fn a_link_can_be_made_to_lead_elsewhere_and_a_refusal_of_meaning_to_happen() {
    let (shop, _) = shop().await;
    shop.set_link_origin(Some("http://169.254.169.254"));
    let (headers, _) = get(&shop, &format!("{ORDERS}?status=any&limit=1")).await;
    let next = link(&headers, "next").unwrap();
    assert!(next.starts_with("http://169.254.169.254/admin/api/2026-07/orders.json?"));
    let fault = unprocessable("note", "is too long").times(1);
    shop.set_fault(fault).unwrap();
    let (status, _, body) = raw(&shop, ("GET", ORDERS), TOKEN).await;
    assert_eq!(
        (status, body),
        (422, json!({ "errors": { "note": ["is too long"] } }))
    );
}

#[tokio::test]
async fn a_token_that_was_replaced_is_refused() {
    let (shop, _) = shop().await;
    shop.set_token("new");
    assert_eq!(raw(&shop, ("GET", ORDERS), TOKEN).await.0, 401);
    assert_eq!(raw(&shop, ("GET", ORDERS), "new").await.0, 200);
}
