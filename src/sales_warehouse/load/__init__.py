"""The loader: from files below the inbox to raw tables and the ledger."""
