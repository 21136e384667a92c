"""The TAXII 2.1 server.

`endpoints` answer, `query` reads what is asked for, `answer` writes it, and `description` is the part of the OpenAPI
document that tells of them.
"""
