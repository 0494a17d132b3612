"""The loop of one destination: receive → settle → snapshot → plan → intend → commit → record.

One thread runs it and owns all it touches; the inbox and the budget are what it shares. Every retry in hf-watch is
here.
"""
