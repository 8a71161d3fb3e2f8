"""Making the model from labelled URLs; not part of the deployed function.

sources ─► labelled URLs ─► split by domain ─► fit ─► measure on what was held out ─► files
"""
