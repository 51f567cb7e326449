//! Who is signed in: sessions, the start token, and limits on attempts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use crate::secret::{self, TokenDigest};
use crate::users::{Roles, User, UsersFile};

/// A session ends when nothing was requested for this long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends after this long in any case.
const MAX_AGE: Duration = Duration::from_secs(12 * 60 * 60);

/// The maximum number of sessions; beyond it, the one that was idle longest ends.
const MAX_SESSIONS: usize = 1000;

/// The number of failed attempts after which an address, or a name, has to wait.
const MAX_ATTEMPTS: u32 = 5;

/// How long failed attempts count.
const ATTEMPTS: Duration = Duration::from_secs(15 * 60);

/// The maximum number of addresses and names whose attempts are counted.
const MAX_COUNTED: usize = 10_000;

/// How users sign in.
#[derive(Debug)]
pub(crate) enum How {
    /// With the token that is printed at the start. The user is the one who started the program.
    Token { user: String, tokens: Vec<TokenDigest> },
    /// With a password of the users file.
    Password(UsersFile),
}

/// Someone who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) user: String,
    pub(crate) email: Option<String>,
    pub(crate) roles: Roles,
    pub(crate) csrf: String,
    pub(crate) session: TokenDigest,
}

#[derive(Debug)]
struct Session {
    user: String,
    csrf: String,
    /// The hash of the password at sign-in: another password ends the session.
    hash: Option<String>,
    began: Instant,
    used: Instant,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) how: How,
    sessions: HashMap<TokenDigest, Session>,
    attempts: HashMap<Source, (u32, Instant)>,
}

/// What failed attempts are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    Name(String),
}

impl Sessions {
    pub(crate) fn new(how: How) -> Self {
        Self { how, sessions: HashMap::new(), attempts: HashMap::new() }
    }

    /// A new token to sign in with once; nothing where users have passwords.
    pub(crate) fn issue_token(&mut self) -> std::io::Result<Option<String>> {
        let How::Token { tokens, .. } = &mut self.how else { return Ok(None) };
        let token = secret::token()?;
        // An older one that was never used is no longer valid.
        *tokens = vec![TokenDigest::of(&token)];
        Ok(Some(token))
    }

    /// Signs in with a token, which is then used up. Returns the cookie.
    pub(crate) fn sign_in_with_token(&mut self, token: &str) -> std::io::Result<Option<String>> {
        let How::Token { user, tokens } = &mut self.how else { return Ok(None) };
        let digest = TokenDigest::of(token);
        let Some(index) = tokens.iter().position(|known| *known == digest) else { return Ok(None) };
        tokens.remove(index);
        let user = user.clone();
        self.begin(user, None).map(Some)
    }

    /// The user of this name, and a hash to compare a password with in any case.
    pub(crate) fn hash_of(&mut self, name: &str) -> Option<(Option<User>, String)> {
        let How::Password(file) = &mut self.how else { return None };
        let user = file.users().get(name).cloned();
        let hash = user.as_ref().map_or_else(|| file.decoy.clone(), |user| user.hash.clone());
        Some((user, hash))
    }

    /// Begins a session. Returns the cookie.
    pub(crate) fn begin(&mut self, user: String, hash: Option<String>) -> std::io::Result<String> {
        let now = Instant::now();
        self.sessions.retain(|_, session| !session.is_over(now));
        if self.sessions.len() >= MAX_SESSIONS
            && let Some(oldest) =
                self.sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            self.sessions.remove(&oldest);
        }
        let cookie = secret::token()?;
        let session = Session { user, csrf: secret::token()?, hash, began: now, used: now };
        self.sessions.insert(TokenDigest::of(&cookie), session);
        Ok(cookie)
    }

    /// Whoever has this cookie. `touch` counts it as a use, which keeps the session from ending.
    pub(crate) fn actor(&mut self, cookie: &str, touch: bool) -> Option<Actor> {
        self.actor_of(TokenDigest::of(cookie), touch)
    }

    pub(crate) fn actor_of(&mut self, digest: TokenDigest, touch: bool) -> Option<Actor> {
        let now = Instant::now();
        let session = self.sessions.get_mut(&digest)?;
        let granted = match &mut self.how {
            How::Token { .. } => {
                Some((None, Roles::from([(crate::users::EVERY.to_owned(), crate::users::Role::Admin)])))
            }
            How::Password(file) => {
                let user = file.users().get(&session.user);
                let same = user.filter(|user| session.hash.as_ref() == Some(&user.hash));
                same.map(|user| (user.email.clone(), user.roles.clone()))
            }
        };
        let Some((email, roles)) = granted.filter(|_| !session.is_over(now)) else {
            self.sessions.remove(&digest);
            return None;
        };
        if touch {
            session.used = now;
        }
        Some(Actor { user: session.user.clone(), email, roles, csrf: session.csrf.clone(), session: digest })
    }

    /// Ends a session.
    pub(crate) fn end(&mut self, session: TokenDigest) {
        self.sessions.remove(&session);
    }

    /// How long an address or a name has to wait before its next attempt.
    pub(crate) fn wait(&mut self, address: IpAddr, name: Option<&str>) -> Option<Duration> {
        let now = Instant::now();
        self.attempts.retain(|_, (_, last)| now.duration_since(*last) < ATTEMPTS);
        let waits = sources(address, name).into_iter().filter_map(|source| {
            let (failed, last) = self.attempts.get(&source)?;
            let beyond = failed.checked_sub(MAX_ATTEMPTS)?;
            // 1 s, 2 s, 4 s, … up to the time that attempts count.
            let pause = Duration::from_secs(1 << beyond.min(10)).min(ATTEMPTS);
            pause.checked_sub(now.duration_since(*last))
        });
        waits.max().filter(|wait| !wait.is_zero())
    }

    /// Counts a failed attempt.
    pub(crate) fn failed(&mut self, address: IpAddr, name: Option<&str>) {
        for source in sources(address, name) {
            if self.attempts.len() < MAX_COUNTED || self.attempts.contains_key(&source) {
                let (failed, last) = self.attempts.entry(source).or_insert((0, Instant::now()));
                (*failed, *last) = (*failed + 1, Instant::now());
            }
        }
    }

    /// Forgets failed attempts after a successful one.
    pub(crate) fn succeeded(&mut self, address: IpAddr, name: Option<&str>) {
        for source in sources(address, name) {
            self.attempts.remove(&source);
        }
    }

    pub(crate) fn name_of_how(&self) -> &'static str {
        match self.how {
            How::Token { .. } => "token",
            How::Password(_) => "password",
        }
    }
}

fn sources(address: IpAddr, name: Option<&str>) -> Vec<Source> {
    let name = name.map(|name| Source::Name(name.chars().take(100).collect()));
    std::iter::once(Source::Address(address)).chain(name).collect()
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE || now.duration_since(self.began) > MAX_AGE
    }
}

impl Actor {
    /// Returns true if this is the token of the session against forged requests.
    pub(crate) fn has_csrf(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::{Role, Users, hash};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn with_token() -> Sessions {
        Sessions::new(How::Token { user: "ada".into(), tokens: Vec::new() })
    }

    #[test]
    fn a_token_works_once() {
        let mut sessions = with_token();
        let token = sessions.issue_token().unwrap().unwrap();
        assert_eq!(sessions.sign_in_with_token("wrong").unwrap(), None);
        let cookie = sessions.sign_in_with_token(&token).unwrap().unwrap();
        assert_eq!(sessions.sign_in_with_token(&token).unwrap(), None);
        let actor = sessions.actor(&cookie, true).unwrap();
        assert_eq!((actor.user.as_str(), actor.roles.get("*")), ("ada", Some(&Role::Admin)));
        assert!(actor.has_csrf(&actor.csrf) && !actor.has_csrf("") && !actor.has_csrf(&cookie));
        sessions.end(actor.session);
        assert_eq!(sessions.actor(&cookie, true), None);
        let unused = sessions.issue_token().unwrap().unwrap();
        sessions.issue_token().unwrap();
        assert_eq!(sessions.sign_in_with_token(&unused).unwrap(), None, "replaced by the next one");
    }

    #[test]
    fn a_session_ends_when_idle_or_old() {
        let mut sessions = with_token();
        for (idle, age, lasts) in [
            (Duration::ZERO, Duration::ZERO, true),
            (IDLE - Duration::from_secs(60), IDLE, true),
            (IDLE + Duration::from_secs(1), IDLE, false),
            (Duration::ZERO, MAX_AGE + Duration::from_secs(1), false),
        ] {
            let cookie = sessions.begin("ada".into(), None).unwrap();
            let session = sessions.sessions.get_mut(&TokenDigest::of(&cookie)).unwrap();
            session.used -= idle;
            session.began -= age;
            assert_eq!(sessions.actor(&cookie, false).is_some(), lasts, "{idle:?} {age:?}");
        }
    }

    #[test]
    fn a_session_ends_with_the_password_and_with_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let roles = Roles::from([("*".to_owned(), Role::Viewer)]);
        let user = |password| User {
            name: "ada".into(),
            email: None,
            hash: hash(password).unwrap(),
            roles: roles.clone(),
        };
        let mut users = Users::default();
        users.set(user("correct horse"));
        users.write(&path).unwrap();
        let mut sessions = Sessions::new(How::Password(UsersFile::open(&path).unwrap()));
        assert_eq!(sessions.sign_in_with_token("x").unwrap(), None);
        let (found, known) = sessions.hash_of("ada").unwrap();
        let cookie = sessions.begin("ada".into(), Some(known)).unwrap();
        assert!(found.is_some() && sessions.actor(&cookie, true).is_some());
        assert!(sessions.hash_of("bob").unwrap().0.is_none());
        users.set(user("another horse"));
        users.write(&path).unwrap();
        assert_eq!(sessions.actor(&cookie, true), None);
    }

    #[test]
    fn attempts_are_limited_by_address_and_by_name() {
        let mut sessions = with_token();
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!(sessions.wait(HERE, Some("ada")), None);
            sessions.failed(HERE, Some("ada"));
        }
        assert!(sessions.wait(HERE, Some("bob")).is_some(), "the address waits");
        let there: IpAddr = [192, 0, 2, 1].into();
        assert!(sessions.wait(there, Some("ada")).is_some(), "the name waits");
        assert_eq!(sessions.wait(there, Some("bob")), None);
        sessions.succeeded(HERE, Some("ada"));
        assert_eq!(sessions.wait(HERE, Some("ada")), None);
    }
}
