"""The binary log of the source: which keys changed, transaction by transaction.

The log is decoded as far as the table and the primary key, never further: values are read at the
source. What cannot be decoded beyond doubt marks a table to be compared as a whole.
"""
