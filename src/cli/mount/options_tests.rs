//! Tests of the option string.
use super::*;
