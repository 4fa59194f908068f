//! The doubles, running, each with what a person needs to try it.

use std::{any::Any, io};

use anyhow::{Context as _, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_testkit::doubles::{
    Clock, Limit, Seed,
    amazon::{self, AmazonConfig, AmazonDouble, GERMANY},
    authority::{AuthorityConfig, AuthorityDouble, Tokens},
    dataverse::{self, DataverseConfig, DataverseDouble},
    erp::{ErpConfig, ErpDouble, realistic_suppliers},
    members::MembersDouble,
    qualio::{QualioConfig, QualioDouble},
    shopify::{ShopifyConfig, ShopifyDouble, VERSION},
    stand_in_qualio,
    trustpilot::{self, BUSINESS_UNIT, TrustpilotConfig, TrustpilotDouble},
    webwinkelkeur::{SHOP, WebwinkelkeurConfig, WebwinkelkeurDouble},
};

use super::{DoubleArgs, Name, trial::Trial};

/// The same records at every start, so that two people see the same.
const SEED: u64 = 7;
/// Orders of a shop or reviews of it, and suppliers of the ERP, unless a number is named.
const ORDERS: u32 = 3_000;
const SUPPLIERS: u32 = 120;
/// Suppliers that stand in Qualio.
const STANDING: u32 = 40;
/// How long a token that is given at the start lives, in seconds.
const TOKEN_LIFE_S: u32 = 3_600;

const TOKEN: &str = "try-token";
const CLIENT: &str = "try-client";
const SECRET: &str = "try-secret";
const REFRESH: &str = "try-refresh";
const CODE: &str = "try-code";
const PUBLIC_CODE: &str = "try-public-code";

/// A double that runs as long as this lives.
pub(super) struct Served {
    url: String,
    what: String,
    credentials: Vec<String>,
    /// What to try.
    pub(super) trials: [Trial; 3],
    _alive: Vec<Box<dyn Any + Send>>,
}

impl Served {
    /// Starts one.
    pub(super) async fn start(
        name: Name,
        args: &DoubleArgs,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let holds = !matches!(name, Name::Authority | Name::Members | Name::Qualio);
        if args.records.is_some() && !holds {
            let (name, _) = name.told();
            bail!("{name} holds no records of its own making; leave --records out");
        }
        let (port, records) = (args.port, args.records);
        let orders = u64::from(records.unwrap_or(ORDERS));
        let started = match name {
            Name::Amazon => Self::amazon(clock, port, orders).await,
            Name::Authority => Self::authority(clock, port).await,
            Name::Dataverse => Self::dataverse(clock, port, orders).await,
            Name::Erp => Self::erp(clock, port, records.unwrap_or(SUPPLIERS)).await,
            Name::Members => Self::members(clock, port).await,
            Name::Qualio => Self::qualio(clock, port).await,
            Name::Shopify => Self::shopify(clock, port, orders).await,
            Name::Trustpilot => Self::trustpilot(clock, port, orders).await,
            Name::Webwinkelkeur => Self::webwinkelkeur(clock, port, orders).await,
        };
        started.with_context(|| {
            format!("can not listen on 127.0.0.1:{port}; name another --port, 0 takes a free one")
        })
    }

    /// What is said once it runs.
    pub(super) fn told(&self) -> String {
        let mut lines = vec![format!("{} at {}", self.what, self.url)];
        lines.extend(self.credentials.iter().map(|line| format!("  {line}")));
        lines.push("Try".to_owned());
        lines.extend(
            self.trials
                .iter()
                .map(|trial| format!("  {}", trial.curl())),
        );
        lines.push(format!(
            "What it got: {}/_double/calls. Ctrl-C stops it; it remembers nothing.\n",
            self.url
        ));
        lines.join("\n")
    }

    async fn shopify(clock: &Clock, port: u16, orders: u64) -> io::Result<Self> {
        let config = ShopifyConfig::new(clock.clone(), TOKEN).orders(SEED, orders);
        let double = ShopifyDouble::start(config.port(port)).await?;
        let (url, id) = (double.url(), ShopifyDouble::id_of(1));
        let api = format!("{url}/admin/api/{VERSION}");
        let read = |path: &str| {
            let trial = Trial::get(format!("{api}/{path}"));
            trial.with("X-Shopify-Access-Token", TOKEN.to_owned())
        };
        let change = format!(r#"{{"id":{id},"set":{{"note":"ring twice"}}}}"#);
        Ok(Self {
            what: format!("A double of Shopify with {orders} orders"),
            credentials: vec![format!("X-Shopify-Access-Token: {TOKEN}")],
            trials: [
                read("orders.json?status=any&order=updated_at+asc&limit=2"),
                read(&format!("orders/{id}.json?fields=id,name,updated_at,note")),
                Trial::json("POST", format!("{url}/_double/change"), &change),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }

    async fn amazon(clock: &Clock, port: u16, orders: u64) -> io::Result<Self> {
        let login = amazon::login(clock.clone(), CLIENT, SECRET, REFRESH);
        let tokens = login.tokens();
        let config = AmazonConfig::new(clock.clone(), tokens.clone()).orders(SEED, orders);
        let double = AmazonDouble::start(config.port(port)).await?;
        let login = AuthorityDouble::start(login).await?;
        let (url, id) = (double.url(), AmazonDouble::id_of(1));
        let token = tokens.give("Atza|", TOKEN_LIFE_S);
        let read = |path: &str| {
            let trial = Trial::get(format!("{url}/orders/v0/orders{path}"));
            trial.with("x-amz-access-token", token.clone())
        };
        let list = format!(
            "?MarketplaceIds={GERMANY}&LastUpdatedAfter=2026-01-01T00:00:00Z&MaxResultsPerPage=2"
        );
        Ok(Self {
            what: format!("A double of Amazon's Orders API with {orders} orders"),
            credentials: vec![
                format!("login {}", login.token_url()),
                format!("client_id {CLIENT}, client_secret {SECRET}, refresh_token {REFRESH}"),
                format!("x-amz-access-token: {token} (for an hour)"),
            ],
            trials: [
                Trial::form(login.token_url(), &refresh()),
                read(&list),
                read(&format!("/{id}/orderItems")),
            ],
            url,
            _alive: vec![Box::new(double), Box::new(login)],
        })
    }

    async fn dataverse(clock: &Clock, port: u16, accounts: u64) -> io::Result<Self> {
        // The address is known once it listens, and the scope is below it.
        let tokens = Tokens::new(clock.clone());
        let config = DataverseConfig::new(clock.clone(), tokens.clone()).accounts(SEED, accounts);
        let double = DataverseDouble::start(config.port(port)).await?;
        let (url, id) = (double.url(), DataverseDouble::id_of(1));
        let scope = format!("{url}/.default");
        let login =
            dataverse::login(clock.clone(), CLIENT, SECRET, &scope).given_as(tokens.clone());
        let login = AuthorityDouble::start(login).await?;
        let token = tokens.give("", TOKEN_LIFE_S);
        let list = Trial::get(format!("{url}/api/data/v9.2/accounts?$select=name"));
        let list = list.with("Authorization", format!("Bearer {token}"));
        let prefer = "odata.track-changes,odata.maxpagesize=2".to_owned();
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&scope={scope}"
        );
        let delete = format!(r#"{{"id":"{id}"}}"#);
        Ok(Self {
            what: format!("A double of Dataverse with {accounts} accounts"),
            credentials: vec![
                format!("login {}", login.token_url()),
                format!("client_id {CLIENT}, client_secret {SECRET}, scope {scope}"),
                format!("Authorization: Bearer {token} (for an hour)"),
            ],
            trials: [
                Trial::form(login.token_url(), &form),
                list.with("Prefer", prefer),
                Trial::json("POST", format!("{url}/_double/delete"), &delete),
            ],
            url,
            _alive: vec![Box::new(double), Box::new(login)],
        })
    }

    async fn trustpilot(clock: &Clock, port: u16, reviews: u64) -> io::Result<Self> {
        let login = trustpilot::login(clock.clone(), CLIENT, SECRET);
        let tokens = login.tokens();
        let config = TrustpilotConfig::new(clock.clone(), tokens.clone()).reviews(SEED, reviews);
        let double = TrustpilotDouble::start(config.port(port)).await?;
        let login = AuthorityDouble::start(login).await?;
        let (url, id) = (double.url(), TrustpilotDouble::id_of(1));
        let token = tokens.give("", TOKEN_LIFE_S);
        let list = format!(
            "{url}/v1/private/business-units/{BUSINESS_UNIT}/reviews?orderBy=createdat.asc&perPage=2"
        );
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        let login_form = Trial::form(login.token_url(), "grant_type=client_credentials");
        let edit =
            format!(r#"{{"id":"{id}","set":{{"stars":2,"text":"Not so good after all."}}}}"#);
        Ok(Self {
            what: format!("A double of Trustpilot with {reviews} reviews"),
            credentials: vec![
                format!("login {}", login.token_url()),
                format!("client_id {CLIENT}, client_secret {SECRET}"),
                format!("Authorization: Bearer {token} (for an hour)"),
            ],
            trials: [
                login_form.with("Authorization", basic),
                Trial::get(list).with("Authorization", format!("Bearer {token}")),
                Trial::json("POST", format!("{url}/_double/change"), &edit),
            ],
            url,
            _alive: vec![Box::new(double), Box::new(login)],
        })
    }

    async fn webwinkelkeur(clock: &Clock, port: u16, ratings: u64) -> io::Result<Self> {
        let config = WebwinkelkeurConfig::new(clock.clone(), CODE, PUBLIC_CODE);
        let config = config.ratings(SEED, ratings);
        let double = WebwinkelkeurDouble::start(config.port(port)).await?;
        let url = double.url();
        let list =
            format!("{url}/api/1.0/ratings.json?id={SHOP}&public_code={PUBLIC_CODE}&limit=2");
        let edit = r#"{"id":1,"set":{"comment":"Not so good after all."}}"#;
        Ok(Self {
            what: format!("A double of Webwinkelkeur with {ratings} ratings"),
            credentials: vec![format!("id {SHOP}, code {CODE}, public_code {PUBLIC_CODE}")],
            trials: [
                Trial::get(list.clone()),
                Trial::get(format!("{list}&offset=100")),
                Trial::json("POST", format!("{url}/_double/change"), edit),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }

    async fn authority(clock: &Clock, port: u16) -> io::Result<Self> {
        let config = AuthorityConfig::new(clock.clone())
            .client(CLIENT, SECRET, &["orders", "stock"])
            .refresh_token(REFRESH, CLIENT, &["orders"]);
        let double = AuthorityDouble::start(config.port(port)).await?;
        let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
        let by_basic = Trial::form(double.token_url(), "grant_type=client_credentials");
        let url = double.url();
        Ok(Self {
            what: "A double of an OAuth 2.0 token endpoint".to_owned(),
            credentials: vec![
                format!("token endpoint {}", double.token_url()),
                format!("client_id {CLIENT}, client_secret {SECRET}, refresh_token {REFRESH}"),
            ],
            trials: [
                by_basic.with("Authorization", format!("Basic {basic}")),
                Trial::form(double.token_url(), &refresh()),
                Trial::json("POST", format!("{url}/_double/revoke"), "{}"),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }

    async fn erp(clock: &Clock, port: u16, suppliers: u32) -> io::Result<Self> {
        let rows = realistic_suppliers(SEED, suppliers, clock());
        let config = ErpConfig::new(clock.clone(), TOKEN).suppliers(rows);
        let double = ErpDouble::start(config.port(port)).await?;
        let url = double.url();
        let read = |path: &str| {
            let trial = Trial::get(format!("{url}/api/suppliers{path}"));
            trial.with("Authorization", format!("Bearer {TOKEN}"))
        };
        let change = r#"{"random":"critical","seed":1}"#;
        Ok(Self {
            what: format!("A double of an ERP with {suppliers} suppliers"),
            credentials: vec![format!("Authorization: Bearer {TOKEN}")],
            trials: [
                read("?modified_since=2026-01-01T00:00:00Z&limit=2"),
                read("/SUP-000001"),
                Trial::json("POST", format!("{url}/_double/change"), change),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }

    async fn members(clock: &Clock, port: u16) -> io::Result<Self> {
        let double = MembersDouble::start_at(clock.clone(), TOKEN, port).await?;
        let url = double.url();
        let bearer = |trial: Trial| trial.with("Authorization", format!("Bearer {TOKEN}"));
        let one = format!("{url}/v1/members/K-1");
        Ok(Self {
            what: "A double of a service that upserts, empty".to_owned(),
            credentials: vec![format!("Authorization: Bearer {TOKEN}")],
            trials: [
                bearer(Trial::json("PUT", one, r#"{"name":"Ada"}"#)),
                bearer(Trial::get(format!("{url}/v1/members?limit=2"))),
                bearer(Trial::get(format!("{url}/v1/members/by-offset?offset=0"))),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }

    async fn qualio(clock: &Clock, port: u16) -> io::Result<Self> {
        let config = QualioConfig::new(clock.clone(), TOKEN).limit(Limit::QUALIO);
        let double = QualioDouble::start(config.port(port)).await?;
        let rows = realistic_suppliers(SEED, STANDING, clock());
        stand_in_qualio(&double, &rows, &mut Seed::new(SEED));
        let url = double.url();
        let key = |trial: Trial| trial.with("X-Api-Key", TOKEN.to_owned());
        let suppliers = format!("{url}/v1/suppliers/suppliers");
        Ok(Self {
            what: format!("A double of Qualio with {STANDING} suppliers"),
            credentials: vec![format!("X-Api-Key: {TOKEN}")],
            trials: [
                key(Trial::get(format!("{suppliers}?status=APPROVED"))),
                key(Trial::json("POST", suppliers, r#"{"name":"Acme"}"#)),
                key(Trial::get(format!("{url}/v1/suppliers/risks"))),
            ],
            url,
            _alive: vec![Box::new(double)],
        })
    }
}

/// The form by which the client has a token for its refresh token.
fn refresh() -> String {
    format!(
        "grant_type=refresh_token&refresh_token={REFRESH}&client_id={CLIENT}&client_secret={SECRET}"
    )
}
