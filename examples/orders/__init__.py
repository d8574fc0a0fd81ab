"""A shop's orders: everything that a customer would not want others to read is encrypted.

The customer's name stands for all that is secret, and is put wherever Temporal keeps a payload.
`make demo` runs it.
"""
