"""What platforms install: packages that call the actions of `iocstream serve`, made from the action registry.

`targets` lists the platforms, each with a module of its own (`xsoar`, `splunk_soar`, `opencti`, `openapi`,
`stackstorm`, `shuffle`, `fortisoar`). They share `package`, `rendering` and `parameters`; `templates/` are the files
that run on the platform. `manifest` describes the product itself.
"""
