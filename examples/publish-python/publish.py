"""Publishes one message, as a web server in Python does."""

import binascii
import json
import os
import sys

import redis

PREFIX = os.environ.get("SB_REDIS_PREFIX", "sb:")
PARTITIONS = int(os.environ.get("SB_STREAM_PARTITIONS") or 1)  # as the stream server's --stream-partitions
connection = redis.from_url(os.environ.get("SB_REDIS") or "redis://127.0.0.1:6380")


def stream(channel, data):
    """Sends data to everybody who listens to channel."""
    connection.publish(PREFIX + channel, json.dumps(data, ensure_ascii=False))


def stream_durable(channel, data):
    """The same, and Redis keeps it for those who are away; it returns its id."""
    key = PREFIX + "stream"
    if PARTITIONS > 1:  # the one of its CRC-16, as Redis Cluster computes it
        key += ":{%d}" % (binascii.crc_hqx(channel.encode(), 0) % PARTITIONS)
    fields = {"channel": channel, "data": json.dumps(data, ensure_ascii=False)}
    return connection.xadd(key, fields, maxlen=100_000, approximate=True)


if __name__ == "__main__":
    channel, data, durable, *_ = sys.argv[1:] + ["feed:football:fantasy", '{"goal":1}', ""][len(sys.argv) - 1 :]
    try:
        (stream_durable if durable == "durable" else stream)(channel, json.loads(data))
    except redis.RedisError as error:
        sys.exit(f"Redis: {error}")
