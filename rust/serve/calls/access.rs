//! Access: who may do what, and how often.

use crate::serve::config::{Config, Scope};
use crate::serve::refusal::Refusal;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use std::num::NonZeroU32;
use std::time::Duration;
use subtle::ConstantTimeEq;

const SCHEME: &str = "bearer ";
const LONGEST_NAME: usize = 256;

/// Who calls, once it is known: in the extensions of every request that reaches a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub name: String,
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Whether this caller has `scope`; admin has all.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|&has| has == scope || has == Scope::Admin)
    }

    /// Refuses a caller who has none of the scopes that a call asks for; a call that asks for none is for every caller.
    pub fn check(&self, any_of: &[Scope]) -> Result<(), Refusal> {
        if any_of.is_empty() || any_of.iter().any(|&scope| self.may(scope)) {
            return Ok(());
        }
        let (needed, has) = (names(any_of, " or "), names(&self.scopes, ", "));
        Err(Refusal::Denied(format!("this call needs the scope {needed}, and {} has {has}", self.name)))
    }
}

fn names(scopes: &[Scope], between: &str) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(between)
}

/// The callers that a configuration knows.
pub struct Access {
    known: Vec<Known>,
    /// Who everybody is when no callers are configured.
    anonymous: Option<Known>,
}

/// A caller, and how often it may call.
pub struct Known {
    pub caller: Caller,
    shows: Shows,
    rate: Option<DefaultDirectRateLimiter>,
}

/// What a caller is recognised by.
enum Shows {
    Nothing,
    TokenOfHash([u8; 32]),
    CommonName(String),
}

impl Access {
    /// Callers of `config`, or the one sentence that says what is wrong with them.
    pub fn new(config: &Config) -> Result<Self, String> {
        let tokens = config.tokens.iter().map(|token| {
            let label = format!("token {:?}", token.name);
            let hash = hash_of(&token.sha256).map_err(|got| format!("{label}: sha256 is {got}"))?;
            let rate = rate(&label, token.rate_per_s, token.burst)?;
            Ok(Known { caller: caller(&label, &token.name, &token.scopes)?, shows: Shows::TokenOfHash(hash), rate })
        });
        let certificates = config.certificates.iter().map(|certificate| {
            let name = &certificate.common_name;
            let label = format!("certificate {name:?}");
            let rate = rate(&label, certificate.rate_per_s, certificate.burst)?;
            Ok(Known {
                caller: caller(&label, name, &certificate.scopes)?,
                shows: Shows::CommonName(name.clone()),
                rate,
            })
        });
        let known = tokens.chain(certificates).collect::<Result<Vec<_>, String>>()?;
        refuse_twins(&known)?;
        let everybody = Caller { name: "anonymous".into(), scopes: Scope::ALL.into() };
        let anonymous = known.is_empty().then_some(Known { caller: everybody, shows: Shows::Nothing, rate: None });
        Ok(Access { known, anonymous })
    }

    /// Who shows these headers and this certificate. A token that is shown must be right, whatever the certificate says.
    pub fn recognise(&self, headers: &HeaderMap, common_name: Option<&str>) -> Result<&Known, Refusal> {
        if let Some(anonymous) = &self.anonymous {
            return Ok(anonymous);
        }
        let found = match headers.get(AUTHORIZATION) {
            Some(header) => self.by_token(bearer(header.as_bytes()).ok_or_else(wrong_scheme)?),
            None => self.by_common_name(common_name.ok_or_else(|| self.nothing_shown())?),
        };
        found.ok_or_else(|| Refusal::Unauthenticated("these credentials are not known here".into()))
    }

    /// Every hash is looked at, so that the time tells nothing of which one is near.
    fn by_token(&self, token: &[u8]) -> Option<&Known> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        self.known.iter().fold(None, |found, known| match &known.shows {
            Shows::TokenOfHash(expected) if bool::from(expected.ct_eq(&hash)) => Some(known),
            _ => found,
        })
    }

    fn by_common_name(&self, name: &str) -> Option<&Known> {
        self.known.iter().find(|known| matches!(&known.shows, Shows::CommonName(expected) if expected == name))
    }

    fn nothing_shown(&self) -> Refusal {
        let takes_tokens = self.known.iter().any(|known| matches!(known.shows, Shows::TokenOfHash(_)));
        let what = if takes_tokens { "metadata `authorization: Bearer TOKEN`" } else { "a client certificate" };
        Refusal::Unauthenticated(format!("no credentials, expected {what}"))
    }
}

impl Known {
    /// Takes one call from the rate of this caller, or says when there will be one.
    pub fn take(&self) -> Result<(), Refusal> {
        let Some(Err(not_yet)) = self.rate.as_ref().map(|rate| rate.check()) else { return Ok(()) };
        let retry = not_yet.wait_time_from(DefaultClock::default().now());
        let message = format!("{} calls more often than it may; the next call is due in {retry:?}", self.caller.name);
        Err(Refusal::Busy { message, retry })
    }
}

fn wrong_scheme() -> Refusal {
    Refusal::Unauthenticated("metadata authorization is not `Bearer TOKEN`".into())
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(token)
}

/// The 32 bytes that 64 hexadecimal digits say, or what was got instead.
fn hash_of(hex: &str) -> Result<[u8; 32], String> {
    let digits: Option<Vec<u8>> = hex.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
    let bytes: Vec<u8> = digits.unwrap_or_default().chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let is_whole = hex.len() == 64;
    bytes.try_into().ok().filter(|_| is_whole).ok_or_else(|| {
        format!("not 64 hexadecimal digits ({} characters); `frbench token` makes one", hex.chars().count())
    })
}

fn caller(label: &str, name: &str, scopes: &[Scope]) -> Result<Caller, String> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("{label}: expected a name of 1 to {LONGEST_NAME} bytes without control characters"));
    }
    if scopes.is_empty() {
        return Err(format!("{label}: no scopes, expected some of {}", names(&Scope::ALL, ", ")));
    }
    Ok(Caller { name: name.into(), scopes: scopes.into() })
}

/// A limiter of `per_s` calls a second after `burst` at once; without a burst, the calls of a second come at once.
fn rate(label: &str, per_s: Option<f64>, burst: Option<u32>) -> Result<Option<DefaultDirectRateLimiter>, String> {
    let Some(per_s) = per_s else {
        return match burst {
            Some(_) => Err(format!("{label}: burst without rate_per_s, expected both or neither")),
            None => Ok(None),
        };
    };
    let period = Duration::try_from_secs_f64(1.0 / per_s).ok().and_then(Quota::with_period);
    let at_once = NonZeroU32::new(burst.unwrap_or_else(|| per_s.ceil() as u32));
    match (period, at_once) {
        (Some(quota), Some(at_once)) => Ok(Some(RateLimiter::direct(quota.allow_burst(at_once)))),
        (None, _) => Err(format!("{label}: rate_per_s is {per_s}, expected above 0 and at most 1e9")),
        (_, None) => Err(format!("{label}: burst is 0, expected at least 1")),
    }
}

fn refuse_twins(known: &[Known]) -> Result<(), String> {
    for (i, one) in known.iter().enumerate() {
        for other in &known[..i] {
            if one.caller.name == other.caller.name {
                return Err(format!(
                    "two callers are named {:?}; the audit log could not tell them apart",
                    one.caller.name
                ));
            }
            if matches!((&one.shows, &other.shows), (Shows::TokenOfHash(a), Shows::TokenOfHash(b)) if a == b) {
                return Err(format!("{:?} and {:?} have the same token", other.caller.name, one.caller.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(token: &str) -> String {
        Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn access(callers: &str) -> Result<Access, String> {
        Access::new(&Config::from_json(&format!("{{{callers}}}"))?)
    }

    fn tokens(entries: &[String]) -> Result<Access, String> {
        access(&format!(r#""tokens": [{}]"#, entries.join(",")))
    }

    fn token(name: &str, secret: &str, more: &str) -> String {
        format!(r#"{{"name": "{name}", "sha256": "{}", {more}}}"#, hex(secret))
    }

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    fn name<'a>(access: &'a Access, headers: &HeaderMap) -> Option<&'a str> {
        access.recognise(headers, None).ok().map(|known| known.caller.name.as_str())
    }

    #[test]
    fn a_token_names_its_caller() {
        let both = [token("ana", "one", r#""scopes": ["search"]"#), token("ben", "two", r#""scopes": ["admin"]"#)];
        let access = tokens(&both).unwrap();

        assert_eq!(name(&access, &headers("Bearer one")), Some("ana"));
        assert_eq!(name(&access, &headers("bearer two")), Some("ben"));
    }

    proptest! {
        #[test]
        fn any_other_token_names_nobody(shown in "[ -~]{0,60}") {
            let access = tokens(&[token("ana", "one", r#""scopes": ["search"]"#)]).unwrap();
            prop_assume!(!shown.trim_start().eq_ignore_ascii_case("bearer one"));

            prop_assert!(matches!(access.recognise(&headers(&shown), None), Err(Refusal::Unauthenticated(_))));
        }

        #[test]
        fn a_caller_passes_with_one_of_the_scopes_or_admin(has in 0..16_usize, needs in 1..16_usize) {
            let set = |bits: usize| (0..4).filter(|i| bits >> i & 1 == 1).map(|i| Scope::ALL[i]).collect::<Vec<_>>();
            let caller = Caller { name: "ana".into(), scopes: set(has) };

            prop_assert_eq!(caller.check(&set(needs)).is_ok(), has & needs != 0 || has & 8 != 0);
            prop_assert!(caller.check(&[]).is_ok());
        }
    }

    #[test]
    fn a_wrong_token_is_not_mended_by_a_certificate() {
        let ca = r#""tls": {"certificate": "c", "key": "k", "client_ca": "a"},
                    "certificates": [{"common_name": "ana", "scopes": ["search"]}]"#;
        let access = access(ca).unwrap();

        assert_eq!(access.recognise(&HeaderMap::new(), Some("ana")).unwrap_or_else(|_| panic!()).caller.name, "ana");
        assert!(access.recognise(&headers("Bearer one"), Some("ana")).is_err());
        assert!(access.recognise(&HeaderMap::new(), Some("ben")).is_err());
        assert!(access.recognise(&HeaderMap::new(), None).is_err());
    }

    #[test]
    fn everybody_is_anonymous_where_nobody_is_configured() {
        let access = access("").unwrap();
        let known = access.recognise(&HeaderMap::new(), None).unwrap_or_else(|_| panic!());

        assert_eq!(known.caller.name, "anonymous");
        assert!(Scope::ALL.iter().all(|&scope| known.caller.may(scope)));
    }

    #[test]
    fn a_rate_says_when_to_come_back() {
        let slow = r#""scopes": ["search"], "rate_per_s": 0.001, "burst": 2"#;
        let access = tokens(&[token("ana", "one", slow)]).unwrap();
        let known = access.recognise(&headers("Bearer one"), None).unwrap_or_else(|_| panic!());

        assert_eq!((known.take(), known.take()), (Ok(()), Ok(())));
        let Err(Refusal::Busy { retry, .. }) = known.take() else { panic!("a third call at once passed") };
        assert!(Duration::ZERO < retry && retry <= Duration::from_secs(1000));
    }

    #[test]
    fn callers_that_cannot_be_are_said_in_one_sentence() {
        let search = r#""scopes": ["search"]"#;
        let twins = |a, b| tokens(&[token(a, "one", search), token(b, "one", search)]).err().unwrap();
        let one = |more| tokens(&[token("ana", "one", more)]).err().unwrap();
        let bad_hash = r#"{"name": "ana", "sha256": "12ab", "scopes": ["search"]}"#.to_string();

        assert!(tokens(&[bad_hash]).err().unwrap().contains("token \"ana\": sha256 is not 64 hexadecimal digits"));
        assert!(twins("ana", "ana").contains("two callers are named \"ana\""));
        assert!(twins("ana", "ben").contains("\"ana\" and \"ben\" have the same token"));
        assert!(one(r#""scopes": []"#).contains("no scopes, expected some of search, enrol, count, admin"));
        assert!(one(r#""scopes": ["sing"]"#).contains("unknown variant `sing`"));
        assert!(one(r#""scopes": ["search"], "rate_per_s": 0"#).contains("rate_per_s is 0"));
        assert!(one(r#""scopes": ["search"], "rate_per_s": 1, "burst": 0"#).contains("burst is 0"));
        assert!(one(r#""scopes": ["search"], "burst": 1"#).contains("burst without rate_per_s"));
    }

    #[test]
    fn a_hash_with_a_letter_beyond_ascii_is_refused() {
        assert!(hash_of(&"é".repeat(32)).is_err());
        assert!(hash_of(&"0g".repeat(32)).is_err());
        assert_eq!(hash_of(&"0F".repeat(32)), Ok([15; 32]));
    }
}
