"""A web server in Python, with Flask: its page shows what it publishes."""

import json
import os
import pathlib

import redis
from flask import Flask, abort, request, send_from_directory

here = pathlib.Path(__file__).resolve().parent
page = (here / "index.html").read_text(encoding="utf-8")
page = page.replace("{server}", "Flask").replace("{stream}", os.environ.get("STREAM", "http://localhost:8080"))
connection = redis.from_url(os.environ.get("SB_REDIS", "redis://127.0.0.1:6380"))
app = Flask(__name__)


@app.get("/")
def index():
    return page


@app.get("/page.css")
def css():
    return send_from_directory(here.parent / "style", "page.css")


@app.post("/publish")
def publish():
    text = request.form.get("text", "")
    if not 0 < len(text) <= 200:
        abort(400)
    connection.publish("sb:feed:messages", json.dumps({"text": text, "by": "Flask"}))
    return "", 204


if __name__ == "__main__":
    app.run(host="localhost", port=int(os.environ.get("PORT", 3000)))
