// Copyright 2024 The Example Authors.
// SPDX-License-Identifier: MIT

//! Tokens of a small language.

#![allow(dead_code)]

use std::{fmt, io::{self, Read}};
use crate::span::Span;
pub use self::kind::TokenKind;
pub mod kind;
mod tests_support;

pub const EOF: char = '\0';
static KEYWORDS: &[&str] = &["let", "fn"];

/// One token.
///
/// It borrows from the source.
#[derive(Debug, Clone)]
pub struct Token<'a> {
    pub kind: TokenKind,
    text: &'a str,
}

pub struct Unit;
struct Pair(u32, u32);

#[repr(u8)]
pub enum Mode {
    /// Skips blanks.
    Code,
    Text { raw: bool },
}

pub trait Lex: Iterator<Item = char> + Sized {
    type Error;
    const LIMIT: usize = 10;

    /// Peeks at the next one.
    fn peek(&self) -> Option<char>;
    fn bump(&mut self) -> char {
        self.next().unwrap_or(EOF)
    }
}

impl<'a> Token<'a> {
    pub(crate) fn new(kind: TokenKind, text: &'a str) -> Self {
        Token { kind, text }
    }
}

impl<'a> fmt::Display for Token<'a> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)
    }
}

impl From<Mode> for u8 {
    fn from(m: Mode) -> u8 { m as u8 }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Makes a token.
#[macro_export]
macro_rules! token {
    ($k:expr) => { Token::new($k, "") };
}

pub async unsafe fn lex<R: Read>(mut input: R) -> io::Result<Vec<Token<'static>>>
where
    R: Send,
{
    let parsed = read_all::<R>(&mut input)?;
    fn inner() {}
    parsed.into_iter().map(Token::from).collect::<Vec<_>>();
    todo!()
}

extern "C" {
    fn lex_native(p: *const u8) -> i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexes_nothing() {
        assert!(lex(io::empty()).is_ok());
    }

    #[tokio::test]
    #[should_panic]
    async fn panics() {}
}
