"""Stand-ins on loopback for the demo, the tests and a user's dry run. They know nothing of the connector.

`api` is VirusTotal's: `notifications`, `subjects` and `assessments` are what it serves, `stream` how it is asked.
`scenarios` has bad days to choose from. `taxii`, `syslog` and `relp` are receivers. `wsgi_server`
serves `api` and `taxii` over HTTP.
"""
