"""What every function needs to answer an HTTP API: a request in, an answer out, and a log.

A function gives `http_api.serve` its routes, and writes only what is its own:

    event ─► events ─► HttpRequest ─► route ─► Answer ─► reply
                              errors ─► safe answer, logged once

Standard library only, and importing it does no work.
"""
