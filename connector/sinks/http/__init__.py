"""Messages to any HTTP API, as a file of `receivers/` says how: what a request is, and what an answer means.

Read `receiver_file`, what such a file may say; `request`, `answer` and `find`, what is made of it; `receiver`, the
whole, compiled; then `sink`, which sends, `exchange`, over what, and `search`, which finds the message at fault.
`overdue` knows what was put off again and again.
`settings` are the options that a route gives, `oauth` is OAuth 2.
"""
