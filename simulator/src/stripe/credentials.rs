//! What a client of Stripe needs.

/// The secret key of the account.
pub const STRIPE_KEY: &str = "rk_test_simulated0123456789";
