"""The TAXII 2.1 server.

`endpoints` has the resources, `query` parses the parameters of a request, `answer` makes HTTP answers, of which `pages`
keeps those just made. `description` is the part of the OpenAPI document that tells of the resources.
"""
