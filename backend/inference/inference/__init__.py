"""How likely a URL is to be phishing, judged by its text alone, over HTTP.

    text ─► url ─► features ─► model ─► app ─► answer

Nothing here knows of Lambda: any ASGI server serves `inference.app:app`.
"""
