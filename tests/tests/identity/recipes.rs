//! The recipes of docs/identity.md, each with a key set and a token of the form that the provider gives them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stack::{Stack, dev};
use tests::Api;

use super::{Issuer, Key, Pod, issuer::Says, now, on_system};

const RECIPES: &str = include_str!("../../../docs/identity.md");

/// The settings under a heading.
fn settings(heading: &str) -> Result<Vec<(&'static str, &'static str)>> {
    let (_, section) = RECIPES.split_once(&format!("### {heading}\n")).with_context(|| format!("no {heading}"))?;
    let (_, block) = section.split_once("```ini\n").context("no settings")?;
    let (block, after) = block.split_once("```").context("no end")?;
    ensure!(after.split("### ").next().is_some_and(|rest| rest.contains("Test: `")), "{heading} names its test");
    block.lines().map(|line| line.split_once('=').context("a setting")).collect()
}

/// An instance by a recipe, the provider's host replaced by one that the test runs.
struct Recipe {
    pod: Pod,
    _issuer: Issuer,
}

impl Recipe {
    async fn start(stack: &Stack, heading: &str, keys: Vec<Value>) -> Result<Self> {
        let issuer = Issuer::start(Says::Keys(keys)).await?;
        let written = settings(heading)?;
        let of = |name: &str| written.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let mut variables = written.clone();
        let url;
        if let Some((there, address)) = of("jwt_keys_url").zip(of("jwt_keys_address")) {
            let path = there.strip_prefix(address).context("the address is the beginning of the URL")?;
            url = format!("{}{path}", issuer.address());
            variables.extend([("jwt_keys", ""), ("jwt_keys_url", &url), ("jwt_keys_address", issuer.address())]);
        }
        let name = format!("recipe-{}", heading.to_lowercase().replace(' ', "-"));
        Ok(Self { pod: Pod::start(stack, &name, &variables).await?, _issuer: issuer })
    }

    /// That a token names this user, who is the same to every other instance.
    async fn names(&self, stack: &Stack, article: i64, token: &str, user: &str) -> Result<()> {
        let path = format!("/v1/articles/{article}/like");
        let liked = self.pod.api.put(&path).header("authorization", &format!("Bearer {token}")).send().await?;
        ensure!(liked.status == 200 && liked.body["liked"] == true, "{liked:?}");
        let mine = self.pod.ask(super::MINE, token).await?;
        ensure!(mine.status == 200, "{mine:?}");
        let usual = Api::new(stack.http_url());
        for (other, likes) in [(user, true), ("somebody-else", false)] {
            let claims = json!({"sub": other, "iss": dev("JWT_ISSUER"), "aud": dev("JWT_AUDIENCE"), "exp": now() + 60});
            let token = stack::token_with(&claims, dev("JWT_KEY"));
            let path = format!("/v1/articles/{article}/interactions");
            let counters = usual.get(&path).header("authorization", &format!("Bearer {token}")).good().await?;
            ensure!(counters["liked"] == likes, "{other}: {counters}");
        }
        Ok(())
    }

    async fn refuses(&self, token: &str, reason: &str) -> Result<()> {
        let answer = self.pod.ask(super::COUNTERS, token).await?;
        ensure!(answer.status == 401, "{answer:?}");
        ensure!(answer.header("www-authenticate").contains(reason), "{answer:?}");
        Ok(())
    }
}

/// Claims with others in place of some.
fn but(claims: &Value, other: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in other.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn an_access_token_of_auth0_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let key = Key::rsa("NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg");
        let next = Key::rsa("next");
        let jwk = |key: &Key| key.jwk(&json!({"alg": "RS256", "use": "sig", "x5t": "NjVB", "x5c": ["MIIDDTCCAfWg"]}));
        let recipe = Recipe::start(stack, "Auth0", vec![jwk(&key), jwk(&next)]).await?;
        let claims = json!({
            "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|507f1f77bcf86cd799439011",
            "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
            "iat": now(), "exp": now() + 86_400,
            "azp": "my_client_id", "scope": "openid profile", "permissions": ["read:likes"],
        });
        let header = json!({"typ": "at+jwt"});
        recipe.names(stack, 9101, &key.token(&header, &claims), "auth0|507f1f77bcf86cd799439011").await?;
        recipe.names(stack, 9102, &next.token(&header, &claims), "auth0|507f1f77bcf86cd799439011").await?;
        let userinfo = but(&claims, &json!({"aud": "https://example.eu.auth0.com/userinfo"}));
        recipe.refuses(&key.token(&header, &userinfo), "wrong audience").await?;
        // Without an audience, Auth0 gives one that nobody else can read.
        let opaque = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..o6-GJPdtLrQ8.ciphertext.YjJ3dGFn";
        recipe.refuses(opaque, "malformed").await
    })
}

#[test]
fn a_session_token_of_clerk_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let key = Key::rsa("ins_2TbRGxGBmZbB8QXPxbEo8NPmLnA");
        let recipe = Recipe::start(stack, "Clerk", vec![key.jwk(&json!({"use": "sig", "alg": "RS256"}))]).await?;
        let claims = json!({
            "azp": "https://www.example.com",
            "exp": now() + 60, "iat": now(), "nbf": now() - 10,
            "fva": [3, -1],
            "iss": "https://clerk.example.com",
            "sid": "sess_2TbRGxGBmZbB8QXPxbEo8NPmLnB", "sts": "active",
            "sub": "user_2TbRGxGBmZbB8QXPxbEo8NPmLnC",
            "v": 2,
        });
        let header = json!({"cat": "cl_B7d4PD111AAA", "typ": "JWT"});
        recipe.names(stack, 9111, &key.token(&header, &claims), "user_2TbRGxGBmZbB8QXPxbEo8NPmLnC").await?;
        let elsewhere = but(&claims, &json!({"azp": "https://evil.example"}));
        recipe.refuses(&key.token(&header, &elsewhere), "wrong audience").await
    })
}

#[test]
fn an_access_token_of_supabase_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let key = Key::p256("b81269f1-21d8-4f2e-b719-c2240a840d90");
        let jwk = key.jwk(&json!({"alg": "ES256", "ext": true, "key_ops": ["verify"]}));
        let recipe = Recipe::start(stack, "Supabase", vec![jwk]).await?;
        let claims = json!({
            "iss": "https://example.supabase.co/auth/v1",
            "sub": "123e4567-e89b-12d3-a456-426614174000",
            "aud": "authenticated",
            "exp": now() + 3600, "iat": now(),
            "email": "user@example.com", "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]}, "user_metadata": {},
            "role": "authenticated", "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now()}],
            "session_id": "e1a1f0c5-6b1f-4b0a-9d3c-0d6e7a6f8b11", "is_anonymous": false,
        });
        let header = json!({"typ": "JWT"});
        recipe.names(stack, 9121, &key.token(&header, &claims), "123e4567-e89b-12d3-a456-426614174000").await?;
        let anonymous_key = but(&claims, &json!({"aud": null, "role": "anon", "sub": null}));
        recipe.refuses(&key.token(&header, &anonymous_key), "wrong audience").await
    })
}

#[test]
fn an_access_token_of_keycloak_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let (encrypts, key) = (Key::rsa("enc-FmqkY0zXn8"), Key::rsa("FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"));
        let certificate = json!({"x5c": ["MIICmzCCAYMC"], "x5t": "JkZ5", "x5t#S256": "q0gF"});
        let jwk =
            |key: &Key, alg: &str, purpose: &str| key.jwk(&but(&certificate, &json!({"alg": alg, "use": purpose})));
        let keys = vec![jwk(&encrypts, "RSA-OAEP", "enc"), jwk(&key, "RS256", "sig")];
        let recipe = Recipe::start(stack, "Keycloak", keys).await?;
        let claims = json!({
            "exp": now() + 300, "iat": now(), "auth_time": now(), "jti": "onrtac:3a1c",
            "iss": "https://sso.example.com/realms/example",
            "aud": "account",
            "sub": "f1d2b3a4-7c6e-4f59-8a10-2b3c4d5e6f70",
            "typ": "Bearer", "azp": "web", "sid": "0d8a", "acr": "1",
            "allowed-origins": ["https://www.example.com"],
            "realm_access": {"roles": ["offline_access", "default-roles-example"]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
            "scope": "openid profile email", "preferred_username": "jane",
        });
        let header = json!({"typ": "JWT"});
        let user = "f1d2b3a4-7c6e-4f59-8a10-2b3c4d5e6f70";
        recipe.names(stack, 9131, &key.token(&header, &claims), user).await?;
        // With an audience mapper, by another client.
        let mapped = but(&claims, &json!({"aud": ["web", "account"], "azp": "app"}));
        recipe.names(stack, 9132, &key.token(&header, &mapped), user).await?;
        // Without client roles there is no aud at all.
        let mut bare = claims.clone();
        bare.as_object_mut().context("claims")?.remove("aud");
        recipe.names(stack, 9133, &key.token(&header, &bare), user).await?;
        recipe.refuses(&key.token(&header, &but(&claims, &json!({"azp": "app"}))), "wrong audience").await?;
        recipe.refuses(&encrypts.token(&header, &claims), "unknown key").await
    })
}

#[test]
fn both_tokens_of_cognito_name_their_user() -> Result<()> {
    on_system(async |stack| {
        let (of_id, of_access) = (Key::rsa("abcdefghijklmnopqrsexample="), Key::rsa("fgjhlkhjlkhexample="));
        let jwk = |key: &Key| key.jwk(&json!({"alg": "RS256", "use": "sig"}));
        let recipe = Recipe::start(stack, "Amazon Cognito", vec![jwk(&of_id), jwk(&of_access)]).await?;
        let user = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
        let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example";
        let access = json!({
            "sub": user, "device_key": "eu-west-1_device", "cognito:groups": ["testgroup"], "iss": issuer,
            "version": 2, "client_id": "1example23456789", "origin_jti": "origin", "event_id": "event",
            "token_use": "access", "scope": "openid", "auth_time": now(), "exp": now() + 3600, "iat": now(),
            "jti": "jti", "username": "my-test-user",
        });
        let id = json!({
            "sub": user, "cognito:groups": ["testgroup"], "email_verified": true, "iss": issuer,
            "cognito:username": "my-test-user", "origin_jti": "origin", "aud": "1example23456789",
            "identities": [{"userId": "amzn1.account.EXAMPLE", "primary": "true"}], "event_id": "event",
            "token_use": "id", "auth_time": now(), "exp": now() + 3600, "iat": now(), "jti": "jti",
        });
        let header = json!({});
        recipe.names(stack, 9141, &of_access.token(&header, &access), user).await?;
        recipe.names(stack, 9142, &of_id.token(&header, &id), user).await?;
        let other = but(&access, &json!({"client_id": "another"}));
        recipe.refuses(&of_access.token(&header, &other), "wrong audience").await
    })
}

#[test]
fn an_id_token_of_firebase_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let key = Key::rsa("8d4c1f0c6b5a4e9f8b7a6c5d4e3f2a1b0c9d8e7f");
        let recipe = Recipe::start(stack, "Firebase", vec![key.jwk(&json!({"alg": "RS256", "use": "sig"}))]).await?;
        let claims = json!({
            "name": "Jane", "iss": "https://securetoken.google.com/example-project", "aud": "example-project",
            "auth_time": now(), "user_id": "q8XrZkVb4TPnm1y0Zc3F5sWd7Ej2", "sub": "q8XrZkVb4TPnm1y0Zc3F5sWd7Ej2",
            "iat": now(), "exp": now() + 3600, "email": "jane@example.com", "email_verified": false,
            "firebase": {"identities": {"email": ["jane@example.com"]}, "sign_in_provider": "password"},
        });
        let header = json!({"typ": "JWT"});
        recipe.names(stack, 9151, &key.token(&header, &claims), "q8XrZkVb4TPnm1y0Zc3F5sWd7Ej2").await?;
        // The keys are those of all projects.
        let other = json!({"iss": "https://securetoken.google.com/another", "aud": "another"});
        recipe.refuses(&key.token(&header, &but(&claims, &other)), "wrong issuer").await
    })
}

#[test]
fn an_access_token_of_entra_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let key = Key::rsa("nOo3ZDrODXEK1jKWhXslHR_KXEg");
        let issuer = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0";
        let published =
            json!({"use": "sig", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg", "x5c": ["MIIDBTCC"], "issuer": issuer});
        let recipe = Recipe::start(stack, "Microsoft Entra ID", vec![key.jwk(&published)]).await?;
        let claims = json!({
            "aud": "00001111-aaaa-2222-bbbb-3333cccc4444", "iss": issuer,
            "iat": now(), "nbf": now(), "exp": now() + 4500,
            "aio": "AXQAi/8IAAAA", "azp": "a1b2c3d4-0000-1111-2222-333344445555", "azpacr": "0", "name": "Jane",
            "oid": "11112222-bbbb-3333-cccc-4444dddd5555", "preferred_username": "jane@example.com",
            "rh": "0.AAAA", "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": "aaaabbbb-0000-cccc-1111-dddd2222eeee", "uti": "fqiB", "ver": "2.0",
        });
        let header = json!({"typ": "JWT"});
        recipe.names(stack, 9161, &key.token(&header, &claims), "11112222-bbbb-3333-cccc-4444dddd5555").await?;
        let first_version =
            json!({"iss": "https://sts.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee/", "ver": "1.0"});
        recipe.refuses(&key.token(&header, &but(&claims, &first_version)), "wrong issuer").await
    })
}

/// The key that is in docs/identity.md.
const SESSION_KEY: &str = "some random bytes, 32 or more of them";

fn session(sub: &Value) -> Value {
    json!({"iss": "https://www.example.com", "aud": "interaction", "sub": sub, "exp": now() + 600})
}

#[test]
fn a_token_of_the_sites_own_session_names_its_user() -> Result<()> {
    on_system(async |stack| {
        let recipe = Recipe::start(stack, "A session of your own", vec![]).await?;
        let key = Key::symmetric("2026-11", SESSION_KEY);
        recipe.names(stack, 9171, &key.token(&json!({}), &session(&json!("4711"))), "4711").await?;
        // Many back ends have numbers, and write no kid.
        recipe.names(stack, 9172, &key.token(&json!({"kid": null}), &session(&json!(4711))), "4711").await?;
        let forged = Key::symmetric("2026-11", "some other bytes, 32 or more of them");
        recipe.refuses(&forged.token(&json!({}), &session(&json!(4711))), "bad signature").await
    })
}

#[test]
fn a_back_end_acts_for_a_user() -> Result<()> {
    on_system(async |stack| {
        let recipe = Recipe::start(stack, "A back end that acts for a user", vec![]).await?;
        let own = Key::symmetric("session", SESSION_KEY);
        // Whose public half is in docs/identity.md.
        let jobs = Key::p256_of("jobs", "the secret of the jobs, 32 bytes");
        recipe.names(stack, 9181, &own.token(&json!({}), &session(&json!("4711"))), "4711").await?;
        let acting = but(
            &session(&json!("4712")),
            &json!({"iss": "https://jobs.example.com", "act": {"sub": "newsletter"}, "exp": now() + 60}),
        );
        recipe.names(stack, 9182, &jobs.token(&json!({}), &acting), "4712").await?;
        // A token of the client itself names no user.
        let mut itself = acting.clone();
        itself.as_object_mut().context("claims")?.remove("sub");
        recipe.refuses(&jobs.token(&json!({}), &itself), "no usable user claim").await
    })
}
