"""Which models answer which users, and how that changes while requests are being answered."""
