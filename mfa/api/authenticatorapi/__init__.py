"""The calls of AuthenticatorAPI.com, for clients that change nothing but the host name (the contract's section 4)."""
