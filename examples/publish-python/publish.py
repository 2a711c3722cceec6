"""Publishes one message, as a web server in Python does."""

import json
import os
import sys

import redis

PREFIX = os.environ.get("SB_REDIS_PREFIX", "sb:")
connection = redis.from_url(os.environ.get("SB_REDIS") or "redis://127.0.0.1:6380")


def stream(channel, data):
    """Sends data to everybody who listens to channel."""
    connection.publish(PREFIX + channel, json.dumps(data, ensure_ascii=False))


if __name__ == "__main__":
    channel, data, *_ = sys.argv[1:] + ["feed:football:fantasy", '{"goal":1}'][len(sys.argv) - 1 :]
    try:
        stream(channel, json.loads(data))
    except redis.RedisError as error:
        sys.exit(f"Redis: {error}")
