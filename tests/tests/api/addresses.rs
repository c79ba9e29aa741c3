//! How the service recognises a client by its address. From outside this shows in who shares a frequency limit.

use anyhow::{Result, ensure};
use contract::Kind;
use stack::{App, Stack};
use tests::Api;

use crate::{on_system, pod::pod};

/// Two requests pass. The next one passes after 100 s.
const TWO: (&str, &str) = ("toggle_address_limit", "2,0.01");

async fn behind(stack: &Stack, name: &str, header: &str, hops: &str) -> Result<(App, Api)> {
    pod(stack, name, &[TWO, ("client_address_header", header), ("trusted_proxy_hops", hops)]).await
}

/// Sends one request for each value of the header, each as another user. Returns which requests passed.
async fn passed(api: &Api, article: i64, header: &str, values: &[&str]) -> Result<Vec<bool>> {
    let mut passed = vec![];
    for (user, value) in (1..).zip(values) {
        let ask = api.switch(Kind::ALL[0], article, true).user(10_000 * article + user).header(header, value);
        let status = ask.send().await?.status.as_u16();
        ensure!([200, 429].contains(&status), "{status} to {value}");
        passed.push(status == 200);
    }
    Ok(passed)
}

#[test]
fn every_spelling_of_an_address_is_the_same_client() -> Result<()> {
    on_system(async |_, stack| {
        let (_list, list) = behind(stack, "list", "X-Forwarded-For", "1").await?;
        let (_forwarded, forwarded) = behind(stack, "forwarded", "Forwarded", "1").await?;
        let (_one, one) = behind(stack, "one", "CF-Connecting-IP", "0").await?;
        for (api, article, header, values) in [
            (&list, 1151, "x-forwarded-for", ["2001:db8::1", "[2001:db8::2]", "unknown, \"[2001:db8::3]:80\""]),
            (&list, 1152, "x-forwarded-for", ["192.0.2.1:80", "\"192.0.2.1\"", "9.9.9.9,::ffff:192.0.2.1,"]),
            (
                &forwarded,
                1153,
                "forwarded",
                ["for=192.0.2.1", "For=\"192.0.2.1:_x\";proto=http", "for=_x, for=192.0.2.1"],
            ),
            (
                &forwarded,
                1154,
                "forwarded",
                ["for=\"[2001:db8::1]\"", "by=a;for=\"[2001:db8::2]:80\"", "for=2001:db8::3"],
            ),
            (&one, 1155, "cf-connecting-ip", ["2001:db8::1", "2001:db8::2", "2001:DB8:0:0::3"]),
        ] {
            assert_eq!(passed(api, article, header, &values).await?, [true, true, false], "{values:?}");
        }
        // Another address is another client.
        for (api, article, header, value) in [
            (&list, 1151, "x-forwarded-for", "2001:db8:0:1::1"),
            (&forwarded, 1153, "forwarded", "for=192.0.2.2"),
            (&one, 1155, "cf-connecting-ip", "2001:db8:0:1::1"),
        ] {
            assert_eq!(passed(api, article, header, &[value]).await?, [true], "{value}");
        }
        Ok(())
    })
}

#[test]
fn a_header_that_lacks_the_address_is_logged_once_and_without_any_address() -> Result<()> {
    on_system(async |_, stack| {
        let (app, api) = behind(stack, "too-few", "X-Forwarded-For", "2").await?;
        let values = ["198.51.100.77", "198.51.100.78", "unknown, 198.51.100.79"];
        assert_eq!(passed(&api, 1156, "x-forwarded-for", &values).await?, [true, true, false], "as the connection");
        let log = std::fs::read_to_string(app.log())?;
        let said: Vec<&str> = log.lines().filter(|line| line.contains("client_address_header")).collect();
        // Each instance logs it once. One instance answers requests that follow each other, unless the machine is slow.
        assert!(said.len() < values.len() && said[0].contains("fewer addresses than trusted_proxy_hops"), "{said:?}");
        assert!(!log.contains("198.51.100"), "{log}");
        Ok(())
    })
}
