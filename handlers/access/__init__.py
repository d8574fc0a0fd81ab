"""Who may call: tokens, issuers, policies."""
