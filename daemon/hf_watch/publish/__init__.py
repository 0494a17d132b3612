"""Stage, intend, commit, record: from settled files to rows that vouch for what the Hub holds.

The order is the promise. A path is in doubt in the ledger, on disk, before the commit that concerns it leaves; only the
Hub's answer ends the doubt. Whatever fails gives its paths back to their settlers, or stays in hand when the Hub
refused for now what it already has the content of.
"""
