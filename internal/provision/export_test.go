package provision

// NewGCPAccountsOver lets tests choose the transport, and so whom it trusts.
var NewGCPAccountsOver = newGCPAccounts
