//! Who can sign in: those whom the stack starts with, and those who signed up.
//!
//! Who signed up is kept in a file, one line each, where the stack keeps its
//! state. A line is in the file before anybody is told of it; a process killed
//! while writing leaves at most one unfinished last line, which is cut off at
//! the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

use super::kept::lock;
use super::{Method, NoRandomness, User, keys};

/// How often a password is hashed: a guess costs some hundredths of a second.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// What a password is checked against without being known (PBKDF2 by HMAC-SHA256).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PasswordHash {
    salt: String,
    hash: String,
}

/// The file of those who signed up cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read or written.
    #[error("the file of users cannot be read or written")]
    Io(#[from] io::Error),
    /// A line of it cannot be read.
    #[error("the file of users, line {line}: {reason}")]
    Corrupt {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Whether somebody was added.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// They can sign in from now on.
    Yes,
    /// The e-mail address belongs to a user, who was there before.
    Taken,
}

/// Everybody who can sign in.
pub(super) struct Users {
    known: Vec<User>,
    signed_up: Mutex<SignedUp>,
}

/// Those who signed up, in that order.
struct SignedUp {
    users: Vec<User>,
    file: Option<File>,
    length: u64,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    email: String,
    name: String,
    subject: String,
    password: PasswordHash,
}

impl Users {
    /// Those who are known, and those in the file, which is made if need be;
    /// without a file, whoever signs up is known until the stack stops.
    pub(super) fn open(known: Vec<User>, file: Option<&Path>) -> Result<Self, UsersError> {
        let signed_up = match file {
            Some(path) => SignedUp::open(path)?,
            None => SignedUp {
                users: Vec::new(),
                file: None,
                length: 0,
            },
        };
        Ok(Self {
            known,
            signed_up: Mutex::new(signed_up),
        })
    }

    /// Those whom the stack starts with.
    pub(super) fn known(&self) -> &[User] {
        &self.known
    }

    /// The user of an e-mail address, in lower case.
    pub(super) fn find(&self, email: &str) -> Option<User> {
        let has = |user: &&User| user.email == email;
        let known = self.known.iter().find(has).cloned();
        known.or_else(|| lock(&self.signed_up).users.iter().find(has).cloned())
    }

    /// Adds somebody who signed up, once for an e-mail address.
    pub(super) fn add(
        &self,
        email: &str,
        name: &str,
        password: &PasswordHash,
    ) -> Result<Added, UsersError> {
        let mut signed_up = lock(&self.signed_up);
        let has = |user: &User| user.email == email;
        if self.known.iter().any(has) || signed_up.users.iter().any(has) {
            return Ok(Added::Taken);
        }
        let line = Line {
            email: email.to_owned(),
            name: name.to_owned(),
            // Whoever signs up with this address another time is somebody else.
            subject: keys::random_text().map_err(io::Error::other)?,
            password: password.clone(),
        };
        signed_up.keep(&line)?;
        signed_up.users.push(line.user());
        Ok(Added::Yes)
    }
}

impl SignedUp {
    fn open(path: &Path) -> Result<Self, UsersError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let (mut users, mut length) = (Vec::new(), 0);
        let mut reader = BufReader::new(&file);
        let mut text = String::new();
        while reader.read_line(&mut text)? > 0 && text.ends_with('\n') {
            let line: Line = serde_json::from_str(&text).map_err(|error| UsersError::Corrupt {
                line: users.len() + 1,
                reason: error.to_string(),
            })?;
            users.push(line.user());
            length += u64::try_from(text.len()).unwrap_or_default();
            text.clear();
        }
        file.set_len(length)?;
        Ok(Self {
            users,
            file: Some(file),
            length,
        })
    }

    fn keep(&mut self, line: &Line) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        file.seek(SeekFrom::Start(self.length))?;
        if let Err(error) = file.write_all(&text) {
            // A part of the line may have been written, as on a full disk.
            file.set_len(self.length)?;
            return Err(error);
        }
        self.length += u64::try_from(text.len()).unwrap_or_default();
        Ok(())
    }
}

impl Line {
    fn user(self) -> User {
        User {
            email: self.email,
            name: self.name,
            subject: self.subject,
            // Nobody is added before their address is.
            email_verified: true,
            method: Method::HashedPassword(self.password),
            groups: Vec::new(),
        }
    }
}

impl PasswordHash {
    /// Hashes a password with a salt of its own.
    pub(super) fn of(password: &str) -> Result<Self, NoRandomness> {
        let salt = keys::random_text()?;
        let mut hash = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(
            algorithm,
            ROUNDS,
            salt.as_bytes(),
            password.as_bytes(),
            &mut hash,
        );
        Ok(Self {
            salt,
            hash: URL_SAFE_NO_PAD.encode(hash),
        })
    }

    /// Whether this is the password.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let Ok(hash) = URL_SAFE_NO_PAD.decode(&self.hash) else {
            return false;
        };
        let (algorithm, salt) = (pbkdf2::PBKDF2_HMAC_SHA256, self.salt.as_bytes());
        pbkdf2::verify(algorithm, ROUNDS, salt, password.as_bytes(), &hash).is_ok()
    }
}
